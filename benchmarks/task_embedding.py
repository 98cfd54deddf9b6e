"""What TaskEmb costs beside a plain backward epoch, and the memory that it needs.

    python benchmarks/task_embedding.py --encoder FOLDER --data DATA [--rows 512]

In turns, in one process, over the same batches: forward and backward to all weights (a training
epoch without its update), TaskEmb of all activations by row, and TaskEmb with all Dense kernels of
the encoder. Memory: the largest resident size of a fresh process for each (``--only``), and the
bytes at BERT-base's size by arithmetic. Writes JSON with medians of ratios.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tfglue.command_line import quiet_tensorflow
from tfglue.files import write_json

WAYS = ("backward", "activations", "weights")
BATCH = 32
# BERT-base, 32 rows of 128 tokens.
LAYERS, WIDTH, INNER, TOKENS, HEADS = 12, 768, 3072, 128, 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--task", default="mrpc")
    parser.add_argument("--data", required=True)
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--max_length", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", type=Path, default=Path("docs/results/task_embedding.json"))
    parser.add_argument("--only", choices=WAYS, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    quiet_tensorflow()
    ways, rows, tokens = built(flags)
    if flags.only:
        ways[flags.only]()
        print(largest_resident_size())
        return
    wall, cpu = {name: [] for name in WAYS}, {name: [] for name in WAYS}
    for number in range(flags.rounds + 1):
        for name in WAYS:
            start, used = time.perf_counter(), time.process_time()
            ways[name]()
            if number:  # The first round compiles.
                wall[name].append(time.perf_counter() - start)
                cpu[name].append(time.process_time() - used)
            print(f"round {number} {name}: {time.perf_counter() - start:.1f} s", flush=True)
    found = {"task": flags.task, "rows": rows, "tokens": tokens, "rounds": flags.rounds}
    for name in WAYS:
        found[name] = {
            "seconds": statistics.median(wall[name]),
            "times_backward": ratio(wall, name),
            "times_backward_processor": ratio(cpu, name),
            "memory_bytes": memory(flags, name),
        }
    found["bert_base"] = arithmetic()
    write_json(flags.results, found)
    print(json.dumps(found, indent=2))


def built(flags):
    """What each way does in one pass over the rows; number of rows and of tokens."""
    import tensorflow as tf

    from tfglue.data.batches import batches_by_length, free_sizes, model_inputs, padded_batch
    from tfglue.kinds import KINDS
    from tfglue.models.initialization import initialize_weights
    from tfglue.preparation import prepare
    from tfglue.run import build_model
    from tfglue.training.clipping import dense_gradient
    from tfglue.transfer.fisher import TaskFisher
    from tfglue.transfer.likelihood import read_likelihood

    settings = {
        "task": flags.task, "data": flags.data, "encoder": flags.encoder,
        "train_examples": flags.rows, "dev_examples": 32, "max_length": flags.max_length,
    }
    prepared = prepare(settings, lambda line: None)
    one = prepared.tasks[flags.task]
    model = build_model({flags.task: one.task}, prepared.loaded.encoder, "none", "linear")
    heads = {f"heads.{n}": w for n, w in model.heads[flags.task].named_weights().items()}
    initialize_weights(heads, 0.02, 0)
    kind, features = KINDS.get(one.task.kind), one.features["train"]
    batches = batches_by_length(features, BATCH)
    weights = [weight.value for weight in model.trained_weights(flags.task).values()]

    def gradients(batch):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            logits = model(model_inputs(batch), task=flags.task)
            loss = tf.reduce_sum(kind.losses(batch, logits))
        found = tape.gradient(loss, weights)
        # A number of each, so that none is left out, and none has to be kept.
        return tf.add_n([
            tf.reduce_sum(dense_gradient(g, w)) for g, w in zip(found, weights, strict=True)
        ])

    first = padded_batch(features, batches[0])
    compiled = tf.function(gradients, input_signature=[free_sizes(first)], autograph=False)

    def backward():
        for rows in batches:
            compiled(padded_batch(features, rows)).numpy()

    outputs = model.heads[flags.task].num_outputs
    likelihood = read_likelihood("empirical", kind, one.task.kind, outputs, 1, 0)
    kernels = [name for name in model.encoder.named_weights()
               if name.startswith("layers.") and name.endswith(".kernel")]
    by_row = TaskFisher(model, flags.task, likelihood)
    with_weights = TaskFisher(model, flags.task, likelihood, weights=kernels)
    ways = {
        "backward": backward,
        "activations": lambda: by_row.scores(features, batches),
        "weights": lambda: with_weights.scores(features, batches),
    }
    return ways, len(features), int(features.lengths.sum())


def ratio(times: dict, name: str) -> float:
    """Median over rounds of a way's time over that of the plain backward pass."""
    pairs = zip(times[name], times["backward"], strict=True)
    return statistics.median(own / plain for own, plain in pairs)


def largest_resident_size() -> int:
    """Bytes of this process; `resource.getrusage` counts those of the one that started it, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def memory(flags, name: str) -> int:
    """The largest resident size of a process that does nothing but this."""
    words = [sys.executable, __file__, "--encoder", flags.encoder, "--data", flags.data, "--task",
             flags.task, "--rows", str(flags.rows), "--max_length", str(flags.max_length), "--only",
             name]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return int(done.stdout.split()[-1])


def arithmetic() -> dict:
    """Bytes at BERT-base's size, float32, 32 rows of 128 tokens."""
    tokens = BATCH * TOKENS
    # Of a layer: query, key, value, context, two sums, two outputs, inner and activated; scores
    # and probabilities of attention.
    layer = tokens * (8 * WIDTH + 2 * INNER) + 2 * BATCH * HEADS * TOKENS**2
    kernels = LAYERS * (4 * WIDTH**2 + 2 * WIDTH * INNER)
    return {
        "activations_kept": 4 * LAYERS * layer,
        "vectors": 4 * (2 * LAYERS + 1) * WIDTH,
        "sums_of_all_kernels": 4 * kernels,
        "gradient_of_one_row_of_the_largest_kernel": 4 * WIDTH * INNER,
        "gradients_of_all_rows_of_all_kernels": 4 * BATCH * kernels,
    }


if __name__ == "__main__":
    main()
