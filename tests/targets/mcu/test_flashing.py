"""The command that writes firmware: a template whose words are run as they are, by a helper."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.errors import InputError, TargetUnavailableError
from edgebench.targets.mcu.board.flashing import Flasher, flash_command, program_of


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("probe-rs download {elf}", ["probe-rs", "download", "{elf}"]),
        ("openocd -c 'program {elf} verify; reset exit'", ["openocd", "-c", "program {elf} verify; reset exit"]),
        ("tool '$HOME' \"a b\" {elf}", ["tool", "$HOME", "a b", "{elf}"]),
        ("tool a\\;b {elf}", ["tool", "a;b", "{elf}"]),
    ],
)
def test_quotes_group_words_and_nothing_else_has_a_meaning(template: str, words: list[str]) -> None:
    assert flash_command(template, "board.toml") == words


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("openocd {elf}; rm -rf x", "';' would need a shell"),
        ("openocd {elf} && reboot", "'&' would need a shell"),
        ("openocd {elf} | tee log", "'|' would need a shell"),
        ("openocd {elf} > log", "'>' would need a shell"),
        ("openocd $(id) {elf}", r"'\$' would need a shell"),
        ("openocd `id` {elf}", "'`' would need a shell"),
        ("openocd $HOME {elf}", r"'\$' would need a shell"),
        ("openocd", "must be in it once"),
        ("", "must be in it once"),
        ("openocd {elf} {elf}", "must be in it once"),
        ("openocd --file={elf}", "must be in it once"),
        ("openocd 'x{elf}'", "must be in it once"),
        ("openocd 'unfinished {elf}", "cannot be split"),
    ],
)
def test_what_only_a_shell_would_understand_is_refused(template: str, why: str) -> None:
    with pytest.raises(InputError, match=why) as caught:
        flash_command(template, "board.toml")
    assert caught.value.where == "board.toml"
    assert caught.value.remedy


@given(template=st.text(alphabet="ab {}elf;&|<>()$`'\"\\\n", max_size=40))
def test_every_template_is_refused_or_has_one_program_in_it(template: str) -> None:
    try:
        words = flash_command(template, "board.toml")
    except InputError:
        return
    assert " ".join(words).split().count("{elf}") == 1


def script(folder: Path, body: str) -> str:
    path = folder / "tool"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return "./tool"


@pytest.mark.child
def test_the_command_runs_beside_the_device_file_with_its_words(tmp_path: Path) -> None:
    tool = script(tmp_path, 'for word in "$@"; do echo "[$word]"; done > said; cat "$4" > written')
    program = tmp_path / "firmware.elf"
    program.write_text("firmware")
    flasher = Flasher(f"{tool} 'a b' '$(id)' '*' {{elf}}", tmp_path, "board.toml")
    try:
        flasher.write(program)
        flasher.write(program)
    finally:
        flasher.close()
    assert (tmp_path / "said").read_text().splitlines() == ["[a b]", "[$(id)]", "[*]", f"[{program}]"]
    assert (tmp_path / "written").read_text() == "firmware"


@pytest.mark.child
def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    tool = script(tmp_path, "echo 'Error: no probe found' >&2; exit 3")
    flasher = Flasher(f"{tool} {{elf}}", tmp_path, "board.toml")
    try:
        with pytest.raises(TargetUnavailableError, match="ended with 3: Error: no probe found") as caught:
            flasher.write(tmp_path / "firmware.elf")
    finally:
        flasher.close()
    assert "debug probe" in str(caught.value.remedy)


@pytest.mark.child
def test_a_path_within_a_longer_word_must_be_plain(tmp_path: Path) -> None:
    tool = script(tmp_path, "exit 0")
    flasher = Flasher(f"{tool} 'program {{elf}} exit'", tmp_path, "board.toml")
    try:
        flasher.write(Path("/tmp/firmware.elf"))
        with pytest.raises(TargetUnavailableError, match="TMPDIR"):
            flasher.write(Path("/tmp/[exec id]/firmware.elf"))
    finally:
        flasher.close()


@pytest.mark.child
def test_a_helper_that_was_killed_is_missed(tmp_path: Path) -> None:
    flasher = Flasher(f"{script(tmp_path, 'exit 0')} {{elf}}", tmp_path, "board.toml")
    try:
        flasher._process.kill()
        flasher._process.wait()
        with pytest.raises(TargetUnavailableError, match="has ended"):
            flasher.write(tmp_path / "firmware.elf")
    finally:
        flasher.close()


def test_a_tool_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(TargetUnavailableError, match=r"no-such-tool.*not installed"):
        program_of("no-such-tool {elf}", tmp_path, "board.toml")
