"""First training losses beside PyTorch's: same initial weights, same batches, no dropout.

    python benchmarks/loss_parity.py --encoder FOLDER --data GLUE_FOLDER --task rte

Needs the extra ``reference``. Writes JSON with both loss curves and their largest difference.
"""

import argparse
from pathlib import Path

import numpy as np
import tensorflow as tf
import torch
import transformers

from tfglue.files import write_json
from tfglue.preparation import prepare
from tfglue.run_folder import RunFolder
from tfglue.trainer import Training
from tfglue.training.seeds import dropout_seed

EPSILON, DECAY, CLIP = 1e-6, 0.01, 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", required=True, help="Hugging Face folder")
    parser.add_argument("--data", required=True)
    parser.add_argument("--task", default="rte")
    parser.add_argument("--updates", type=int, default=50)
    parser.add_argument("--output", type=Path, default=Path("docs/results/loss_parity.json"))
    flags = parser.parse_args()

    prepared = prepare(
        dict(task=flags.task, data=flags.data, encoder=flags.encoder, dropout=0.0, epochs=3,
             batch_size=32, max_length=128, learning_rate=5e-5, seed=1),
        print,
    )
    training = Training(prepared, RunFolder("unused"), None, [], print)
    loop = training.build_loop()
    reference = Reference(flags.encoder, training, loop)
    rows = []
    stream = loop.batches.updates()
    for update in range(flags.updates):
        found = next(stream)
        theirs = reference.update(found.batches[0], float(loop.schedule(update)))
        seeds = [dropout_seed(1, update, 0)]
        loss = loop.step(flags.task, found.batches, found.loss_terms, seeds)
        rows.append({"update": update, "tfglue": float(loss) / found.rows, "pytorch": theirs})
        print(f"{update:3d}  {rows[-1]['tfglue']:.6f}  {theirs:.6f}", flush=True)
    worst = max(abs(row["tfglue"] - row["pytorch"]) for row in rows)
    print(f"largest difference over {flags.updates} updates: {worst:.2e}")
    write_json(flags.output, {
        "task": flags.task, "encoder": Path(flags.encoder).name, "largest_difference": worst,
        "versions": {"tensorflow": tf.__version__, "torch": torch.__version__,
                     "transformers": transformers.__version__},
        "losses": rows,
    })


class Reference:
    """The same training in PyTorch, written with its own AdamW, clipping and BERT."""

    def __init__(self, encoder: str, training: Training, loop):
        config = transformers.BertConfig.from_pretrained(
            encoder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
        )
        self.bert = transformers.BertModel.from_pretrained(
            encoder, config=config, attn_implementation="eager"
        ).train()
        ((name, task),) = training.tasks.items()
        head = training.model.heads[name]
        self.head = torch.nn.Linear(head.hidden_dim, head.num_outputs)
        with torch.no_grad():
            self.head.weight.copy_(torch.tensor(head.dense.kernel.numpy().T))
            self.head.bias.copy_(torch.tensor(head.dense.bias.numpy()))
        self.regression = task.kind == "regress"
        named = [*self.bert.named_parameters(), *self.head.named_parameters()]
        plain = [p for n, p in named if n.endswith("bias") or "LayerNorm" in n]
        decayed = [p for n, p in named if not (n.endswith("bias") or "LayerNorm" in n)]
        self.parameters = [p for _, p in named]
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": DECAY}, {"params": plain, "weight_decay": 0.0}],
            eps=EPSILON,
        )

    def update(self, batch, rate: float) -> float:
        """One update at the given rate; returns the mean loss before it."""
        tokens, segments, mask, labels = (
            torch.tensor(np.asarray(batch[name]))
            for name in ("token_ids", "segment_ids", "padding_mask", "labels")
        )
        outputs = self.bert(
            input_ids=tokens.long(), token_type_ids=segments.long(), attention_mask=mask.long()
        )
        logits = self.head(outputs.pooler_output)
        loss = (
            torch.nn.functional.mse_loss(logits[:, 0], labels)
            if self.regression
            else torch.nn.functional.cross_entropy(logits, labels.long())
        )
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, CLIP)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        return float(loss.detach())


if __name__ == "__main__":
    main()
