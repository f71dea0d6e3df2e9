"""The benchmark's own authorities and P-256 certificates, made anew for every run."""

import os
import subprocess

NAME = "bench.test"


class Certificates:
    """Paths of the PEM files that peers and load generator are configured with."""

    def __init__(self, directory):
        self.directory = directory
        self.chain = self._path("leaf.pem")
        self.key = self._path("leaf.key")
        self.combined = self._path("leaf-with-key.pem")
        self.client_ca = self._path("users.pem")
        self.downstream_chain = self._path("user.pem")
        self.downstream_key = self._path("user.key")
        self._authority("authority", "Benchmark authority")
        self._leaf("leaf", "authority", NAME, f"subjectAltName=DNS:{NAME},DNS:*.{NAME},"
                   "DNS:*.neighbour.test\n"
                   "extendedKeyUsage=serverAuth")
        self._authority("users", "Benchmark users")
        self._leaf("user", "users", "alice", "extendedKeyUsage=clientAuth")
        with open(self.combined, "w") as combined:
            for path in (self.chain, self.key):
                with open(path) as part:
                    combined.write(part.read())

    def _path(self, name):
        return os.path.join(self.directory, name)

    def _authority(self, name, title):
        self._openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "30", "-subj", f"/CN={title}", "-addext", "keyUsage=critical,keyCertSign",
            "-keyout", self._path(name + ".key"), "-out", self._path(name + ".pem"))

    def _leaf(self, name, authority, subject, extensions):
        request, extension_file = self._path(name + ".csr"), self._path(name + ".ext")
        with open(extension_file, "w") as file:
            file.write(extensions + "\nkeyUsage=critical,digitalSignature\n")
        self._openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", f"/CN={subject}", "-keyout", self._path(name + ".key"), "-out", request)
        self._openssl(
            "x509", "-req", "-in", request, "-days", "30", "-extfile", extension_file,
            "-CA", self._path(authority + ".pem"), "-CAkey", self._path(authority + ".key"),
            "-CAcreateserial", "-out", self._path(name + ".pem"))

    @staticmethod
    def _openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)
