"""What the double has: two pods, and what discovery says of them."""

import asyncio
import os

GROUPS = {
    "/api": [("", "v1", [
        {"resource": "namespaces", "responseKind": {"group": "", "version": "v1", "kind": "Namespace"},
         "scope": "Cluster", "singularResource": "namespace", "shortNames": ["ns"],
         "verbs": ["get", "list"]},
        {"resource": "pods", "responseKind": {"group": "", "version": "v1", "kind": "Pod"},
         "scope": "Namespaced", "singularResource": "pod", "shortNames": ["po"],
         "categories": ["all"], "verbs": ["get", "list", "patch", "watch"],
         "subresources": [
             {"subresource": name, "verbs": verbs,
              "responseKind": {"group": "", "version": "v1", "kind": kind}}
             for name, kind, verbs in (
                 ("exec", "PodExecOptions", ["create", "get"]), ("log", "Pod", ["get"]),
                 ("portforward", "PodPortForwardOptions", ["create", "get"]))]},
    ])],
    "/apis": [("authentication.k8s.io", "v1", [
        {"resource": "selfsubjectreviews", "scope": "Cluster", "verbs": ["create"],
         "singularResource": "selfsubjectreview",
         "responseKind": {
             "group": "authentication.k8s.io", "version": "v1", "kind": "SelfSubjectReview"}},
    ])],
}
COLUMNS = ["Name", "Ready", "Status", "Restarts", "Age"]


def discovery(path):
    """The aggregated form (KEP-3352), which kubectl asks for first."""
    return {
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {},
        "items": [
            {"metadata": {"name": group} if group else {},
             "versions": [{"version": version, "resources": resources, "freshness": "Current"}]}
            for group, version, resources in GROUPS[path]]}


def namespace(name):
    return {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name},
            "status": {"phase": "Active"}}


def table(pods, version):
    """As `kubectl get` shows them (as=Table)."""
    return {
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": version},
        "columnDefinitions": [
            {"name": name, "type": "string", "format": "name" if name == "Name" else "",
             "description": name, "priority": 0} for name in COLUMNS],
        "rows": [
            {"cells": [pod["metadata"]["name"], "1/1", "Running", "0", "1h"],
             "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                        "metadata": pod["metadata"]}} for pod in pods]}


def merge(old, patch):
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


class Pods:
    """The pods of namespace `default`, each with a folder, and who watches them."""

    def __init__(self, folder, names):
        self.version = 1
        self.folder = folder
        self.all = {}
        self.history = []
        self.changed = asyncio.Condition()
        for name in names:
            os.makedirs(self.folder_of(name), exist_ok=True)
            open(self.log_of(name), "a").close()
            self.all[name] = self.make(name)

    def folder_of(self, name):
        return os.path.join(self.folder, name)

    def log_of(self, name):
        return os.path.join(self.folder_of(name), "log")

    def make(self, name):
        container = {"name": "main", "image": "none"}
        return {
            "kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}",
                         "resourceVersion": str(self.version),
                         "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"app": name}},
            "spec": {"containers": [container], "nodeName": "node"},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
                       "containerStatuses": [
                           container | {"ready": True, "restartCount": 0, "imageID": "",
                                        "state": {"running": {}}, "lastState": {}}]}}

    async def patch(self, name, patch):
        pod = merge(self.all[name], patch)
        self.version += 1
        pod["metadata"]["resourceVersion"] = str(self.version)
        self.all[name] = pod
        self.history.append((self.version, pod))
        async with self.changed:
            self.changed.notify_all()
        return pod

    async def changes(self, version):
        """Yields (version, pod) of every change after a version."""
        while True:
            for number, pod in [change for change in self.history if change[0] > version]:
                version = number
                yield number, pod
            async with self.changed:
                await self.changed.wait_for(lambda: self.version > version)
