import importlib

from tfglue import doctor


def test_a_healthy_installation(capsys):
    assert doctor.main([]) == 0
    printed = capsys.readouterr().out
    assert "tensorflow 2" in printed and "devices:" in printed and "GB free" in printed
    assert "all required packages work" in printed


def test_a_broken_package_is_named_with_cause_and_mend(capsys, monkeypatch):
    real = importlib.import_module

    def importing(name, *rest):
        if name in ("tensorflow_text", "keras_tuner"):
            raise ImportError(f"undefined symbol in {name}")
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", importing)
    assert doctor.main([]) == 1
    printed = capsys.readouterr().out
    assert "tensorflow-text: does not work (undefined symbol in tensorflow_text)" in printed
    assert 'pip install --upgrade "tensorflow-text!=2.21.0"' in printed
    assert 'pip install "tfglue[tune]"' in printed
    assert "broken: tensorflow-text" in printed and "broken: keras" not in printed
