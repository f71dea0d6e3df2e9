"""The parts of Benchmarks/run: processes, peers, workloads, measurement, report."""
