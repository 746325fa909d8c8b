import shutil

import pytest

from labkit import cli, doctor
from labkit.doctor import Finding


def test_this_environment_is_healthy_and_every_part_was_looked_at():
    findings = list(doctor.examine())
    assert doctor.healthy(findings), doctor.report(findings)
    names = ["python", "packages", "opencv", "torch", "jupyterlab", "codecs", "disk", "browser"]
    assert [finding.name for finding in findings] == names


def test_the_report_gives_the_remedy_and_the_exit_status_tells(monkeypatch, capsys):
    findings = [Finding("disk", "0.1 GB free", "rm -rf build"), Finding("python", "3.12")]
    monkeypatch.setattr("labkit.doctor.examine", lambda: iter(findings))
    assert cli.main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert "✗ disk    0.1 GB free" in printed
    assert "→ rm -rf build" in printed
    assert "✓ python  3.12" in printed
    optional = Finding("browser", "none", "install one", needed=False)
    monkeypatch.setattr("labkit.doctor.examine", lambda: iter([optional]))
    assert cli.main(["doctor"]) == 0
    assert "• browser" in capsys.readouterr().out


def test_a_full_disk_is_found(monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr("labkit.doctor.shutil.disk_usage", lambda path: usage._replace(free=10))
    finding = next(f for f in doctor.examine() if f.name == "disk")
    assert finding.needed
    assert finding.remedy


def test_a_missing_browser_is_advice_with_a_command(monkeypatch):
    monkeypatch.setattr("labkit.doctor.shutil.which", lambda name: None)
    finding = next(f for f in doctor.examine() if f.name == "browser")
    assert "apt-get install chromium" in finding.remedy
    assert not finding.needed


@pytest.mark.parametrize(
    ("name", "version", "says"), [("numpy", "0.0.1", "numpy 0.0.1"), ("opencv-python", "5.0", "opencv-python")]
)
def test_a_stray_package_is_found(monkeypatch, name, version, says):
    import importlib.metadata

    class Stray:
        pass

    stray = Stray()
    stray.name, stray.version = name, version
    true_list = list(importlib.metadata.distributions())
    monkeypatch.setattr("importlib.metadata.distributions", lambda: [*true_list, stray])
    findings = list(doctor.examine())
    assert not doctor.healthy(findings)
    assert says in doctor.report(findings)


def test_a_check_that_breaks_is_a_finding(monkeypatch):
    def broken(path):
        raise OSError("no such device")

    monkeypatch.setattr("labkit.doctor.shutil.disk_usage", broken)
    finding = next(f for f in doctor.examine() if f.name == "disk")
    assert "OSError: no such device" in finding.found
    assert finding.remedy


def test_without_a_clone_every_package_is_compared_with_what_labkit_asks_for(monkeypatch):
    monkeypatch.setattr("labkit.doctor.clone", lambda: None)
    monkeypatch.setattr("importlib.metadata.requires", lambda name: ["numpy>=2", "pillow>=9000", "no-such-thing>=1"])
    finding = next(f for f in doctor.examine() if f.name == "packages")
    assert finding.found.startswith("not as needed: pillow ")
    assert finding.found.endswith(", no-such-thing missing")
    assert finding.remedy == "pip install 'pillow>=9000' 'no-such-thing>=1'"
    monkeypatch.setattr("importlib.metadata.requires", lambda name: ["numpy>=2"])
    assert doctor.healthy([next(f for f in doctor.examine() if f.name == "packages")])
