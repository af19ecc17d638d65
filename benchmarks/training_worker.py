"""The process of one way to train (`python -m benchmarks.training_worker payload`): a task a line in, its speed out."""

import json
import os
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.training import Task, rows_of
from twin_assets.training.chat_template import chat_template, chat_template_hash
from twin_assets.training.hyperparameters import SFTHyperparameters
from twin_assets.training.spec import TrainingSpec

LEARNING_RATE = 1e-4


def payload_trainer(task: Task, work: Path) -> Any:
    """Return the trainer that the payload sets up, with what it hangs on a step."""
    from twin_assets.training.payload.launcher import open_launcher
    from twin_assets.training.payload.reporting import ReportingCallback
    from twin_assets.training.payload.runtime import load_tokenizer, prepare_process
    from twin_assets.training.payload.sft import sft_trainer

    spec = TrainingSpec(
        stage="sft",
        author="ann",
        base_model=task.model,
        base_model_version="1",
        dataset_uri="unused",
        dataset_version="1",
        output_uri="unused",
        hyperparameters=settings_of(task),
        chat_template_hash=chat_template_hash(),
        code_version="1",
    )
    prepare_process(spec.seed)
    with open_launcher() as launcher:
        callback = ReportingCallback(launcher, None)
    return sft_trainer(spec, rows_of(task.rows), [], tokenizer=load_tokenizer(spec), work=work, callback=callback)


def plain_trainer(task: Task, work: Path) -> Any:
    """Return TRL's trainer with the same settings, as its documentation sets it up."""
    import torch
    import transformers
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.trainer_callback import PrinterCallback
    from trl import SFTConfig, SFTTrainer

    from twin_assets.training.payload.sft import conversations

    settings = settings_of(task)
    bf16 = torch.cuda.is_available()
    transformers.set_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(task.model)
    tokenizer.chat_template = chat_template()
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    rows: Dataset = conversations(rows_of(task.rows))
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(task.model, dtype=torch.bfloat16 if bf16 else torch.float32),
        args=SFTConfig(
            output_dir=str(work),
            num_train_epochs=1,
            per_device_train_batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=1,
            weight_decay=settings.weight_decay,
            max_grad_norm=settings.max_grad_norm,
            bf16=bf16,
            gradient_checkpointing=settings.gradient_checkpointing,
            seed=0,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            train_sampling_strategy="random" if task.packing else "group_by_length",
            max_length=settings.max_length,
            completion_only_loss=True,
            packing=task.packing,
        ),
        train_dataset=rows,
        processing_class=tokenizer,
        peft_config=LoraConfig(
            task_type="CAUSAL_LM",
            r=settings.lora_rank,
            lora_alpha=settings.lora_alpha,
            lora_dropout=settings.lora_dropout,
            target_modules="all-linear",
        ),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def settings_of(task: Task) -> SFTHyperparameters:
    """Return the settings of one pass over the rows."""
    return SFTHyperparameters(
        epochs=1.0,
        max_steps=100_000,
        batch_size=task.batch_size,
        max_length=task.max_length,
        learning_rate=LEARNING_RATE,
        lora_rank=task.rank,
        lora_alpha=2 * task.rank,
        gradient_checkpointing=task.gradient_checkpointing,
        packing=task.packing,
    )


def main(way: str) -> None:
    """Train each task that comes in on standard input."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    set_up = {"payload": payload_trainer, "plain": plain_trainer}[way]
    for line in sys.stdin:
        # The payload says what each step came to; here that would run into the figures.
        with TemporaryDirectory() as work, Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            trainer = set_up(Task(**json.loads(line)), Path(work))
            started = time.perf_counter()
            trainer.train()
            seconds = time.perf_counter() - started
        # One pass over all rows, so that every token is trained on once, packed or not.
        tokens = sum(len(ids) for ids in trainer.train_dataset["input_ids"])
        print(json.dumps({"seconds": seconds, "tokens": tokens, "steps": trainer.state.global_step}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
