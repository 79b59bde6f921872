"""A real SLURM of several nodes on the loopback interface: munge, slurmctld and slurmds, all in a folder.

python tests/slurm/local_slurm.py up FOLDER [NODES]     # prints the line that makes a shell use it
python tests/slurm/local_slurm.py down FOLDER
python tests/slurm/local_slurm.py install               # Debian's packages, as root
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from getpass import getuser
from pathlib import Path

PACKAGES = ("munge", "slurmctld", "slurmd", "slurm-client")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "sinfo")
KILL_WAIT = 3

CONFIG = """
ClusterName=daskgraph
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdSpoolDir={folder}/spool/%n
SlurmdPidFile={folder}/run/%n.pid
SlurmdLogFile={folder}/log/%n.log
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=UsePss,OverMemoryKill
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=5,batch_sched_delay=0
PriorityType=priority/basic
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
EnforcePartLimits=ALL
DefMemPerCPU=512
JobRequeue=1
KillWait={kill_wait}
OverTimeLimit=0
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=15
MessageTimeout=10
InactiveLimit=0
MinJobAge=3600
AccountingStorageType=accounting_storage/none
SlurmctldDebug=info
SlurmdDebug=info
{nodes}
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=10 PriorityTier=10 PreemptMode=OFF
PartitionName=low Nodes=ALL MaxTime=INFINITE DefaultTime=10 PriorityTier=1 PreemptMode=REQUEUE GraceTime=0
PartitionName=short Nodes=ALL MaxTime=2 DefaultTime=1 PriorityTier=10 PreemptMode=OFF
"""
"""Limits are those of the made-up nodes, not the host's; without cgroups, memory is sampled every 2 s."""

NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} RealMemory={memory}"

SYSTEM_PATH = "/usr/sbin:/sbin"


def missing() -> list[str]:
    """Return the programs that SLURM would need and this host does not have."""
    path = f"{os.environ['PATH']}:{SYSTEM_PATH}"
    return [name for name in PROGRAMS if shutil.which(name, path=path) is None]


def install() -> None:
    """Install Debian's packages where that is possible and needed; their services are not started."""
    if not missing():
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        sys.stdout.write("SLURM is not installed: that takes root and apt-get\n")
        return
    policy = Path("/usr/sbin/policy-rc.d")
    own = not policy.exists()
    if own:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    get = ["apt-get", "-y", "-q", "-o", "DPkg::Lock::Timeout=120"]
    try:
        subprocess.run([*get, "update"], env=environment, check=True)
        wanted = [*get, "install", "--no-install-recommends", *PACKAGES]
        subprocess.run(wanted, env=environment, check=True)
    except subprocess.CalledProcessError as error:
        sys.stdout.write(f"SLURM is not installed: {error}\n")
    finally:
        if own:
            policy.unlink()


class LocalSlurm:
    """One SLURM, all of whose files are in one folder.

    Parameters
    ----------
    folder
        Made where it is missing; short, since sockets lie in it.
    nodes, cpus, memory
        How many nodes are made up, and what each is said to have (memory in MB).
    """

    def __init__(self, folder: Path, nodes: int = 4, cpus: int = 8, memory: int = 16000) -> None:
        self.folder = folder.resolve()
        self.nodes = [f"node{number}" for number in range(1, nodes + 1)]
        self.cpus, self.memory = cpus, memory
        self.config = self.folder / "slurm.conf"
        self.environment = {"SLURM_CONF": str(self.config), "PATH": f"{os.environ['PATH']}:{SYSTEM_PATH}"}

    def start(self) -> None:
        """Start what does not run, and wait until every node is usable."""
        for name in ("munge", "state", "run", "log", "spool", *(f"spool/{node}" for node in self.nodes)):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
            (self.folder / name).chmod(0o755)
        (self.folder / "munge").chmod(0o711)
        self._write_config()
        self._start_munge()
        self._start("slurmctld", "slurmctld", "-f", str(self.config))
        for node in self.nodes:
            self.start_node(node)
        wait_until(lambda: self.usable() >= len(self.nodes), 60, "the nodes did not come up")

    def start_node(self, node: str) -> None:
        """Start a node, which may have been killed."""
        self._start(node, "slurmd", "-f", str(self.config), "-N", node)

    def kill_node(self, node: str) -> None:
        """Let a node die as when its power fails, with the processes of its jobs."""
        jobs = self.output("squeue", "-h", "-w", node, "-o", "%i").split()
        _kill(self._pid(node), signal.SIGKILL)
        for process in _processes():
            if any(f"slurmstepd: [{job}." in _command(process) for job in jobs):
                _kill(process, signal.SIGKILL)
        for process in self._job_processes():
            if _environment(process).get("SLURMD_NODENAME") == node:
                _kill(process, signal.SIGKILL)

    def stop(self) -> None:
        """Stop all, jobs first, and by process id."""
        if self._lives("slurmctld"):
            for job in self.jobs():
                self.output("scancel", job)
            with suppress(TimeoutError):
                wait_until(lambda: not self.jobs(), KILL_WAIT + 8, "jobs do not end")
        for process in self._job_processes():
            _kill(process, signal.SIGKILL)
        for name in (*self.nodes, "slurmctld", "munge"):
            if self._lives(name):
                _kill(self._pid(name), signal.SIGTERM)
                wait_until(lambda name=name: not self._lives(name), 20, f"{name} did not stop")

    def jobs(self, what: str = "%i") -> list[str]:
        """Return what squeue says of every job, in its own format."""
        return self.output("squeue", "-h", "-o", what).splitlines()

    def empty(self) -> None:
        """Cancel all jobs, and give all nodes back to use."""
        for job in self.jobs():
            self.output("scancel", job)
        wait_until(lambda: not self.jobs(), KILL_WAIT + 60, "jobs do not end")
        for node in self.nodes:
            self.start_node(node)
            self.output("scontrol", "update", f"NodeName={node}", "State=RESUME")
        wait_until(lambda: self.usable() >= len(self.nodes), 60, "the nodes did not come back")

    def output(self, *command: str) -> str:
        """Return what one of SLURM's commands prints."""
        environment = {**os.environ, **self.environment}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        return done.stdout

    def usable(self) -> int:
        """Return how many nodes could run a job."""
        states = self.output("sinfo", "-h", "-N", "-p", "debug", "-o", "%T").split()
        return sum(state in ("idle", "mixed", "allocated", "completing") for state in states)

    def _write_config(self) -> None:
        if self.config.exists():
            return
        host = socket.gethostname().split(".")[0]
        port, *ports = free_ports(1 + len(self.nodes))
        nodes = "\n".join(
            NODE.format(name=node, host=host, port=number, cpus=self.cpus, memory=self.memory)
            for node, number in zip(self.nodes, ports, strict=True)
        )
        self.config.write_text(
            CONFIG.format(
                host=host, port=port, user=getuser(), folder=self.folder, kill_wait=KILL_WAIT, nodes=nodes
            )
        )

    def _start_munge(self) -> None:
        place = self.folder / "munge"
        key = place / "key"
        if not key.exists():
            key.touch(mode=0o600)
            key.write_bytes(os.urandom(1024))
            key.chmod(0o400)
        files = {
            "key-file": key,
            "socket": place / "socket",
            "pid-file": self.folder / "run" / "munge.pid",
            "log-file": self.folder / "log" / "munge.log",
            "seed-file": place / "seed",
        }
        # --force: whoever made the folders above, and whatever a crash has left.
        self._start("munge", "munged", "--force", *(f"--{name}={path}" for name, path in files.items()))

    def _start(self, name: str, *command: str) -> None:
        if self._lives(name):
            return
        environment, nothing = {**os.environ, **self.environment}, subprocess.DEVNULL
        with (self.folder / "log" / f"{name}.out").open("ab") as log:
            subprocess.run(command, env=environment, stdin=nothing, stdout=log, stderr=log, check=True)

    def _pid(self, name: str) -> int:
        try:
            return int((self.folder / "run" / f"{name}.pid").read_text())
        except (OSError, ValueError):
            return 0

    def _lives(self, name: str) -> bool:
        pid = self._pid(name)
        return pid > 0 and str(self.folder) in _command(pid)

    def _job_processes(self) -> Iterable[int]:
        for process in _processes():
            environment = _environment(process)
            if environment.get("SLURM_CONF") == str(self.config) and "SLURM_JOB_ID" in environment:
                yield process


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, below those that the system gives away by itself."""
    found: list[int] = []
    for port in range(27800, 32000):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            break
    return found


def wait_until(condition: object, seconds: float, what: str) -> None:
    """Wait for a condition, a function, to hold; fail with `what` if it does not in time."""
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.2)


def _processes() -> list[int]:
    """Return the ids of all processes but this one."""
    found = [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]
    return [process for process in found if process != os.getpid()]


def _kill(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _command(pid: int) -> str:
    """Return the command line of a process; a zombie has none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def _environment(pid: int) -> dict[str, str]:
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return {}
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def main(arguments: list[str]) -> None:
    match arguments:
        case ["install"]:
            install()
        case ["up", folder, *rest]:
            slurm = LocalSlurm(Path(folder), *map(int, rest[:1]))
            slurm.start()
            sys.stdout.write(f"export SLURM_CONF={slurm.config}\n")
        case ["down", folder]:
            nodes = len(list((Path(folder) / "spool").iterdir()))
            LocalSlurm(Path(folder), nodes).stop()
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
