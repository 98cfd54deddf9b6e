import pytest

from tfglue.__main__ import main
from tfglue.command_line import Parser, run
from tfglue.errors import UserError


def raising(error):
    def body():
        raise error

    return body


def test_statuses_and_messages(capsys):
    assert run(lambda: None) == 0
    assert run(lambda: 1) == 1
    assert run(raising(UserError("a file\nwith two lines"))) == 2
    assert capsys.readouterr().err == "error: a file with two lines\n"
    assert run(raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_our_own_defects_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        run(raising(ZeroDivisionError()))


def test_flags_are_never_abbreviated():
    parser = Parser("test", "")
    parser.add_argument("--output")
    with pytest.raises(UserError, match="unknown flag '--out'; did you mean '--output'"):
        parser.parse_args(["--out", "x"])


def test_the_list_of_commands(capsys):
    assert main([]) == 0
    assert "evaluate" in capsys.readouterr().out
    assert main(["trian"]) == 2
    assert "did you mean 'train'?" in capsys.readouterr().err
    assert main(["train", "--task", "nope"]) == 2
