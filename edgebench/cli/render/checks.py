"""Checks for other programs: JUnit XML, SARIF, and annotations of GitHub."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

from edgebench.cli.render.markdown import render_markdown
from edgebench.reports.checks import Check, CheckResult, tally
from edgebench.reports.codes import Code
from edgebench.reports.report import Report
from edgebench.reports.visible import visible

SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MOST_ANNOTATIONS = 10
"""GitHub shows no more of each kind for a step."""
LONGEST_SUMMARY = 1_000_000
"""GitHub refuses a summary of more than a mebibyte."""
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_junit(report: Report, command: str) -> str:
    """A test case for each check, as GitLab, Jenkins and others read them.

    What is broken is a failure, what could not be decided is an error: neither passes.

    Args:
        report: What was checked.
        command: The command that was run, such as ``gate``.
    """
    counts = tally(report.checks)
    numbers = {
        "tests": str(len(report.checks)),
        "failures": str(counts[CheckResult.FAILED]),
        "errors": str(counts[CheckResult.UNDECIDED]),
    }
    root = ElementTree.Element("testsuites", {"name": "edgebench", **numbers})
    suite = ElementTree.SubElement(root, "testsuite", {"name": f"edgebench {command}", "skipped": "0", **numbers})
    for check in report.checks:
        place = _path(check)
        names = {"classname": check.model, "name": f"{check.figure} on {check.device}"}
        names |= {} if place is None else {"file": place}
        case = ElementTree.SubElement(suite, "testcase", {key: _xml(name) for key, name in names.items()})
        if check.result is CheckResult.PASSED:
            if check.text:
                ElementTree.SubElement(case, "system-out").text = _xml(check.text)
            continue
        kind = "failure" if check.result is CheckResult.FAILED else "error"
        told = ElementTree.SubElement(case, kind, type=check.code.value, message=_xml(check.text))
        told.text = _xml(_whole(check))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def render_sarif(report: Report, command: str) -> str:
    """A result for each check that did not pass, in SARIF 2.1.0.

    Args:
        report: What was checked.
        command: The command that was run, such as ``gate``.
    """
    from importlib.metadata import version

    bad = _bad(report.checks)
    rules = [
        {"id": code, "shortDescription": {"text": code.replace("-", " ")}}
        for code in dict.fromkeys(check.code.value for check in bad)
    ]
    driver = {"name": "edgebench", "version": version("edgebench"), "rules": rules}
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"edgebench/{command}/"},
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(check) for check in bad],
    }
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def render_annotations(report: Report) -> str:
    """Workflow commands that GitHub shows beside the files of a pull request.

    What is broken comes first, and what does not fit beneath the number that GitHub shows is counted.
    """
    bad = sorted(_bad(report.checks), key=lambda check: check.result is not CheckResult.FAILED)
    if not bad:
        count = len(report.checks)
        return f"::notice title=edgebench::{count} {'check' if count == 1 else 'checks'} passed\n" if count else ""
    shown = bad if len(bad) <= MOST_ANNOTATIONS else bad[: MOST_ANNOTATIONS - 1]
    lines = [_annotation(check) for check in shown]
    if len(shown) < len(bad):
        lines.append(f"::error title=edgebench::{len(bad) - len(shown)} more; the summary of this job has them all")
    return "".join(f"{line}\n" for line in lines)


def add_to_summary(report: Report, environment: Mapping[str, str] = os.environ) -> None:
    """Append the report to the summary of a step in GitHub Actions; nothing happens elsewhere.

    Raises:
        OSError: The file that GitHub names cannot be written.
    """
    place = environment.get("GITHUB_STEP_SUMMARY")
    if not place:
        return
    text = render_markdown(report.brief())
    if len(text.encode()) > LONGEST_SUMMARY:
        text = text.encode()[:LONGEST_SUMMARY].decode(errors="ignore") + "\n\n... and more\n"
    with Path(place).open("a", encoding="utf-8") as file:
        file.write(text + "\n")


def _bad(checks: Sequence[Check]) -> list[Check]:
    return [check for check in checks if check.result is not CheckResult.PASSED]


def _level(check: Check) -> str:
    """What the machine was too noisy for is no fault of the model."""
    return "warning" if check.code is Code.GATE_INCONCLUSIVE else "error"


def _whole(check: Check) -> str:
    return f"{check.title}: {check.text}" + (f"\n{check.remedy}" if check.remedy else "")


def _annotation(check: Check) -> str:
    place = _path(check)
    properties = {} if place is None else {"file": place}
    properties["title"] = check.title
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    text = check.text + (f"\n{check.remedy}" if check.remedy else "")
    return f"::{_level(check)} {listed}::{_message(text)}"


def _message(text: str) -> str:
    """Text as a workflow command takes it: a line break would end the command and could begin another."""
    lines = [visible(line) for line in text.split("\n")]
    return "%0A".join(line.replace("%", "%25") for line in lines)


def _property(text: str) -> str:
    return _message(text.replace("\n", " ")).replace(":", "%3A").replace(",", "%2C")


def _sarif_result(check: Check) -> dict[str, object]:
    identity = "\n".join((check.code.value, check.model, check.device, check.figure))
    result: dict[str, object] = {
        "ruleId": check.code.value,
        "level": _level(check),
        "message": {"text": visible(_whole(check))},
        "partialFingerprints": {"edgebench/v1": hashlib.sha256(identity.encode(errors="replace")).hexdigest()},
    }
    place = _path(check)
    if place is not None:
        location = {"artifactLocation": {"uri": quote(place)}, "region": {"startLine": 1}}
        result["locations"] = [{"physicalLocation": location}]
    return result


def _path(check: Check) -> str | None:
    """The model's file, else the baseline's, relative to the repository; None if there is neither."""
    for text in (check.source, check.baseline):
        if not text:
            continue
        path = Path(text)
        if _is_file(path):
            absolute = path.resolve()
            root = _root(absolute)
            return absolute.name if root is None else absolute.relative_to(root).as_posix()
    return None


def _is_file(path: Path) -> bool:
    """Whether there is such a file; no file has a name that is too long."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _root(path: Path) -> Path | None:
    """The root of the repository around a file, else the working folder if the file is in it."""
    for folder in path.parents:
        if (folder / ".git").exists():
            return folder
    here = Path.cwd().resolve()
    return here if path.is_relative_to(here) else None


def _xml(text: str) -> str:
    """Text that XML can hold at all."""
    shown = "\n".join(visible(line) for line in text.split("\n"))
    return _NO_XML.sub("\ufffd", shown)
