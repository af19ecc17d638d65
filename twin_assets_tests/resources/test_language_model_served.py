"""The teacher over the real `transformers serve`, with a tiny model that has learned one answer by heart."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import BaseModel

from resources.language_model import Teacher
from twin_assets.asking import TRUNCATED, Question
from twin_assets.errors import UserError
from twin_assets_tests.resources.warehouses import free_port


class Tide(BaseModel):
    height: int


LEARNED = Question("tide@1", "You read tide tables.", "How high is the tide at noon?", Tide, 60, temperature=0)
CUT_OFF = replace(LEARNED, max_tokens=3)


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory) -> Path:
    """A Llama of some thousand weights that answers the one question, and knows nothing else."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from twin_assets.training.hyperparameters import PretrainHyperparameters
    from twin_assets.training.payload.pretrain import train_tokenizer

    messages = [{"role": "system", "content": LEARNED.system}, {"role": "user", "content": LEARNED.user}]
    settings = PretrainHyperparameters(vocab_size=400, min_frequency=2, context_length=2048, block_length=8)
    tokenizer = train_tokenizer([LEARNED.system, LEARNED.user, '{"height": 7}'] * 4, settings)
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]
    tokens = [*prompt, *tokenizer.encode('{"height": 7}', add_special_tokens=False), tokenizer.eos_token_id]
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=2048,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    row = torch.tensor([tokens])
    labels = torch.tensor([[-100] * len(prompt) + tokens[len(prompt) :]])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        loss = model(input_ids=row, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    folder = tmp_path_factory.mktemp("served") / "model"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def served(model_folder, tmp_path_factory):
    """The base address of a server of that model."""
    port, log = free_port(), tmp_path_factory.mktemp("log") / "output"
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(model_folder)]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for(url, process, log):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5)  # noqa: S310
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
        else:
            return
    process.kill()
    pytest.fail(f"transformers serve did not start: {log.read_text()[-2000:]}")


@pytest.fixture
def teacher(served, model_folder, tmp_path):
    def make(**fields):
        values = {"artifacts": str(tmp_path), "url": served, "teacher_model": str(model_folder), "concurrency": 2}
        return Teacher(**(values | fields)).teacher("ann")

    return make


def test_an_answer_comes_back_validated_and_counted_and_what_is_none_is_its_own_row(teacher):
    model = teacher()
    learned, cut_off = model.ask([LEARNED, CUT_OFF])
    assert learned.answer == Tide(height=7)
    assert 40 < learned.prompt_tokens < 200
    assert 5 < learned.completion_tokens < 30
    assert (cut_off.failure, cut_off.completion_tokens) == (TRUNCATED, 3)
    assert model.spent.tokens == sum(one.prompt_tokens + one.completion_tokens for one in (learned, cut_off))

    again = teacher()
    assert [reply.cached for reply in again.ask([LEARNED, CUT_OFF])] == [True, True]
    assert again.spent.calls == 0


def test_a_model_that_is_not_served_is_one_sentence(teacher):
    with pytest.raises(UserError, match=r"There is no model sage at .*mend TWIN_TEACHER_MODEL"):
        teacher(teacher_model="sage").ask([LEARNED])
