"""``python -m tfglue.features``: hidden states of texts, token by token."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfglue.activations.store_form import chosen_states
from tfglue.answering import new_file
from tfglue.command_line import Parser, quiet_tensorflow, run
from tfglue.errors import UserError
from tfglue.files import atomic_file
from tfglue.typed_lines import typed_lines

if TYPE_CHECKING:
    from tfglue.data.features import Features
    from tfglue.data.tokenizer import BertTokenizer
    from tfglue.models.encoder import BertEncoder

_DESCRIPTION = """Hidden states of texts, token by token.

  echo "a warm and funny film" | python -m tfglue.features --encoder ENCODER --input - \\
      --output out.jsonl
  python -m tfglue.features --run saved_models/rte --input pairs.txt --layers -1 --output out.npz
      a text a line, or two, separated by a tab or by |||

.jsonl: a line for each text with its tokens and, for each layer that was asked for, their values.
.npz: `tokens` and `row_splits` (tokens of text i are those from row_splits[i] to
row_splits[i + 1]), `states`, float32 (tokens, layers, units), and `layers`."""

_BATCH = 32
_SEPARATOR = "|||"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    return run(lambda: _features(argv))


def _features(argv: Sequence[str] | None) -> None:
    parser = Parser("python -m tfglue.features", _DESCRIPTION)
    parser.add_argument("--run", help="run folder, RUN@epoch or RUN@task")
    parser.add_argument("--encoder", help="an encoder, as in training")
    parser.add_argument("--input", required=True, help="file of texts, - for standard input")
    parser.add_argument("--layers", default="-1,-2,-3,-4",
                        help="all, or states such as -1 or 0,6; 0 is the embeddings [-1,-2,-3,-4]")
    parser.add_argument("--max_length", type=int, help="tokens a text at most [128]")
    parser.add_argument("--output", required=True, help="file to write, .jsonl or .npz")
    parser.add_argument("--overwrite", action="store_true", help="replace the --output file")
    flags = parser.parse_args(argv)
    if bool(flags.run) == bool(flags.encoder):
        raise UserError("give either --run or --encoder: whose hidden states are wanted")
    output = new_file(flags.output, flags.overwrite)
    if output.suffix not in (".jsonl", ".npz"):
        raise UserError(f"--output {output}: expected a name that ends in .jsonl or .npz")
    # Read before TensorFlow starts, so that a wrong file is answered at once.
    texts = _texts(typed_lines(flags.input), flags.input)
    quiet_tensorflow()
    from tfglue.activations.hidden_states import HiddenStates
    from tfglue.data.encode import encode
    from tfglue.data.examples import TextExamples

    encoder, tokenizer = _opened(flags)
    positions = encoder.max_sequence_length
    max_length = min(128, positions) if flags.max_length is None else flags.max_length
    if not 8 <= max_length <= positions:
        raise UserError(
            f"--max_length: expected 8 to {positions}, the encoder's positions, not {max_length}"
        )
    layers = chosen_states(flags.layers, encoder.num_layers + 1)
    ids = [str(number) for number in range(len(texts))]
    columns = tuple(map(list, zip(*texts, strict=True)))
    examples = TextExamples(ids=ids, origin=flags.input, texts=columns, labels=None)
    features = encode(examples, tokenizer, max_length)
    rows = _rows(features, HiddenStates(encoder, layers))
    tokens = tokenizer.ids_to_tokens(features.token_ids)
    if output.suffix == ".jsonl":
        _write_lines(output, features, tokens, layers, rows)
    else:
        _write_arrays(output, features, tokens, layers, rows)
    print(f"written: {output}, {len(texts)} texts, {len(tokens)} tokens, {len(layers)} layers")


def _texts(lines: Sequence[str], name: str) -> list[list[str]]:
    """One or two texts of each line, of all lines equally many."""
    texts = []
    for number, line in enumerate(lines, start=1):
        mark = _SEPARATOR if _SEPARATOR in line else "\t"
        texts.append([part.strip() for part in line.split(mark)])
        if len(texts[-1]) > 2 or len(texts[-1]) != len(texts[0]):
            raise UserError(
                f"{name}:{number}: expected {len(texts[0])} texts as in the first line, at most "
                f"two, found {len(texts[-1])}"
            )
        if not all(texts[-1]):
            raise UserError(f"{name}:{number}: a text is blank")
    return texts


def _opened(flags) -> tuple["BertEncoder", "BertTokenizer"]:
    if flags.run:
        from tfglue.run import Run

        opened = Run.open(flags.run)
        if opened.model.adapters:
            raise UserError(
                f"--run {flags.run}: its tasks have adapters, and the states asked for are of the "
                "encoder alone; merge LoRA with python -m tfglue.parts merge"
            )
        return opened.encoder, opened.tokenizer
    from tfglue.models.checkpoints import load_encoder

    loaded = load_encoder(flags.encoder)
    print(f"encoder: {loaded.source}; {loaded.report}")
    return loaded.encoder, loaded.tokenizer()


def _rows(features: "Features", states) -> Iterator[np.ndarray]:
    """Hidden states of every row in order, (tokens, layers, units)."""
    for begin in range(0, len(features), _BATCH):
        rows = np.arange(begin, min(begin + _BATCH, len(features)))
        for row, found in zip(rows, states(features, rows), strict=True):
            yield found[: features.lengths[row]]


def _write_lines(output: Path, features, tokens, layers, rows) -> None:
    """JSON as of BERT's own script, six decimals, layers by the numbers that they have here."""
    with atomic_file(output) as temporary, open(temporary, "w", encoding="utf-8") as stream:
        for row, states in enumerate(rows):
            begin = features.row_splits[row]
            content = {
                "index": row,
                "features": [
                    {
                        "token": tokens[begin + place],
                        "layers": [
                            {"index": layer, "values": [round(float(v), 6) for v in values]}
                            for layer, values in zip(layers, of_layers, strict=True)
                        ],
                    }
                    for place, of_layers in enumerate(states)
                ],
            }
            stream.write(json.dumps(content, ensure_ascii=False) + "\n")


def _write_arrays(output: Path, features, tokens, layers, rows) -> None:
    with atomic_file(output) as temporary, open(temporary, "wb") as stream:
        np.savez(
            stream, tokens=np.array(tokens), row_splits=features.row_splits,
            states=np.concatenate(list(rows)), layers=np.array(layers),
        )


if __name__ == "__main__":
    raise SystemExit(main())
