"""Medians, spreads and paired ratios, as Markdown and as JSON."""

import json
import os
import platform
import statistics
import time

from .workloads import ALL, GROUPS


def values(cells):
    return {index: cell["value"] for index, cell in enumerate(cells) if "value" in cell}


def reference(rows):
    """HAProxy's better setting: the variant with the smaller median. Its switched-off tickets are a
    row of their own, not the reference: with them it would do less than what is compared."""
    candidates = [name for name in ("haproxy", "haproxy, splice") if values(rows.get(name, []))]
    return min(candidates, key=lambda name: statistics.median(values(rows[name]).values()),
               default=None)


def ratios(cells, against):
    """Ratios within each round: what disturbs a round disturbs both of its sides."""
    ours, theirs = values(cells), values(against)
    return [ours[index] / theirs[index] for index in ours if theirs.get(index, 0) > 0]


def number(value):
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def rate(workload, cells):
    median = statistics.median(cell["rate"] for cell in cells if "rate" in cell)
    return f"{median / 1e9:.2f} GB/s" if workload.scale == 1e9 else f"{median:,.0f}/s"


def row(workload, name, cells, rows, against):
    invalid = [cell["invalid"] for cell in cells if "invalid" in cell]
    found = values(cells)
    if invalid or not found:
        reason = invalid[0].replace("\n", " ").replace("|", "/")[:160] if invalid else "no value"
        return f"| {workload.title}, {workload.unit} | {name} | INVALID: {reason} | | | |"
    spread = f"{number(min(found.values()))} – {number(max(found.values()))}"
    paired = ratios(cells, rows[against]) if against else []
    ratio = ""
    if name == against:
        ratio = "1"
    elif paired:
        ratio = f"{statistics.median(paired):.2f} ({min(paired):.2f} – {max(paired):.2f})"
    median = number(statistics.median(found.values()))
    return (f"| {workload.title}, {workload.unit} | {name} | {median} | {spread} | {ratio} |"
            f" {rate(workload, cells)} |")


def markdown(results, facts):
    """`results`: workload name -> peer name -> list of cells, one a round."""
    beside = facts.get("reference", "HAProxy")
    lines = ["# Strait and its peers", ""]
    lines += [f"- {key}: {value}" for key, value in facts.items()]
    lines += ["", "Median over the rounds, smallest and largest. The ratio is the median (and range)"
              " of the ratios within",
              f"each round to {facts.get('reference', 'the better setting of HAProxy')}. The rate is"
              " for information: two cores share the work.", ""]
    for group, title in GROUPS.items():
        chosen = [workload for workload in ALL
                  if workload.group == group and workload.name in results]
        if not chosen:
            continue
        lines += [f"## {title}", "",
                  f"| workload, unit | peer | median | min – max | × {beside} | rate |",
                  "|---|---|---:|---:|---:|---:|"]
        for workload in chosen:
            rows = results[workload.name]
            against = facts.get("reference") or reference(rows)
            lines += [row(workload, name, cells, rows, against) for name, cells in rows.items()]
        lines.append("")
    lines += disturbance(results)
    return "\n".join(lines) + "\n"


def disturbance(results):
    """How much the machine did beside the measurement, so that a reader can judge the spread."""
    cells = [cell for rows in results.values() for row_cells in rows.values()
             for cell in row_cells if "foreignSeconds" in cell]
    if not cells:
        return []
    foreign = [cell["foreignSeconds"] / (2 * cell["wallSeconds"]) for cell in cells]
    stolen = [cell["stolenSeconds"] / (2 * cell["wallSeconds"]) for cell in cells]
    softirq = [cell["softirqSeconds"] / max(cell["proxySeconds"], 1e-9) for cell in cells]
    return [
        "Disturbance: other processes took "
        f"{statistics.median(foreign):.0%} of both cores (median; at most {max(foreign):.0%}), the "
        f"hypervisor {statistics.median(stolen):.0%} (at most {max(stolen):.0%}); the "
        "soft interrupt thread of the proxy's core, counted as the proxy's, did "
        f"{statistics.median(softirq):.0%} beside the proxy's own time (at most "
        f"{max(softirq):.0%})."]


def facts(peers, arguments, rounds):
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")),
                     platform.machine())
    with open("/proc/sys/net/ipv4/tcp_congestion_control") as file:
        congestion = file.read().strip()
    found = {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": f"{model}, {os.cpu_count()} cores, Linux {platform.release()}, "
                   f"TCP {congestion}",
        "command": "Benchmarks/run " + " ".join(arguments),
        "rounds": rounds,
    }
    return found | {peer.name: peer.version() for peer in peers if "," not in peer.name}


def save(path, results, found):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w") as file:
        if path.endswith(".json"):
            json.dump({"facts": found, "results": results}, file, indent=1)
        else:
            file.write(markdown(results, found))
