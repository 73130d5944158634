"""The machine that a report is from: what a reader must know to compare it with another."""

import datetime
import os
import platform
import re


def first_match(path, pattern, otherwise):
    try:
        with open(path, encoding="utf-8") as file:
            match = re.search(pattern, file.read(), re.MULTILINE)
    except OSError:
        return otherwise
    return match.group(1) if match else otherwise


def describe(about):
    """@param about: what kith-bench tells of itself"""
    hypervisor = first_match("/proc/cpuinfo", r"^flags\s*:.*\b(hypervisor)\b", "")
    return {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "cpu": first_match("/proc/cpuinfo", r"^model name\s*:\s*(.*)$", platform.machine()),
        "cores": len(os.sched_getaffinity(0)),
        "virtualised": bool(hypervisor),
        "governor": first_match("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", r"^(\w+)$", "unknown"),
        "memory_kib": int(first_match("/proc/meminfo", r"^MemTotal:\s*(\d+)", "0")),
        "system": first_match("/etc/os-release", r'^PRETTY_NAME="(.*)"$', "Linux"),
        "kernel": platform.release(),
        "compiler": about["compiler"],
        "build": about["build"],
        "load_before": os.getloadavg()[0],
    }


def place(here):
    """What the timings depend on besides the programs."""
    return (f"{here['cpu']}, {here['cores']} cores{', virtualised' if here['virtualised'] else ''}, governor "
            f"{here['governor']}; {here['system']}, Linux {here['kernel']}")


def lines(report):
    """The machine, the peers' versions and the settings in a few lines."""
    here, settings = report["machine"], report["settings"]
    versions = ", ".join(f"{transport['title']} {transport['version']}" for transport in report["transports"]
                         if transport["version"])
    repetitions = "one repetition" if settings["repetitions"] == 1 else f"{settings['repetitions']} repetitions"
    return [
        f"{place(here)}; compiler {here['compiler']}, {here['build']}",
        versions,
        f"{here['date']}; {repetitions}; load average {here['load_before']:.2f} before"
        + ("; quick: these timings mean nothing" if settings["quick"] else ""),
    ]
