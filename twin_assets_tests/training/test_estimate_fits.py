"""What is refused before launch, what is proposed in its place, and the table of prices that both rest on."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from twin_assets.errors import UserError
from twin_assets.training.chat_template import CHAT_TEMPLATES, answer_message, messages_for
from twin_assets.training.estimating.architecture import architecture_from_config, architecture_of
from twin_assets.training.estimating.compute import START_HOURS, operations_per_token
from twin_assets.training.estimating.device import GIB, Device, this_machine
from twin_assets.training.estimating.estimate import Estimate, estimate_for, estimate_of
from twin_assets.training.estimating.fitting import check_fits, proposals
from twin_assets.training.estimating.plan import plan_for
from twin_assets.training.estimating.prices import read_prices
from twin_assets.training.estimating.workload import COUNTED_ROWS, Workload, steps_and_tokens, workload_of
from twin_assets.training.hyperparameters import DPOHyperparameters, SFTHyperparameters
from twin_assets.training.sharing import shared
from twin_assets_tests.training.conftest import spec_for, start
from twin_assets_tests.training.test_estimated_memory import LLAMA_3_8B

LARGE = {"max_length": 2048, "batch_size": 2, "gradient_accumulation": 8, "max_steps": 400, "lora_rank": 32}
WORKLOAD = Workload(rows=3000, lengths=(400, 2500), counted_by="tokenizer")


def sft_of_8b(device: Device, workload: Workload = WORKLOAD, **changes: object) -> Estimate:
    settings = SFTHyperparameters.model_validate({**LARGE, **changes})
    return estimate_of("sft", settings, architecture_from_config(LLAMA_3_8B), workload, device)


@pytest.fixture
def a10g() -> Device:
    return read_prices().device("ml.g5.2xlarge")


def test_an_8b_model_with_long_rows_is_refused_on_one_a10g_in_a_sentence_with_what_would_fit(a10g):
    with pytest.raises(UserError) as refused:
        check_fits(sft_of_8b(a10g), max_cost=25, others=read_prices().devices("sagemaker"))

    assert "sft_checkpoint needs about" in str(refused.value)
    assert "the memory of a GPU of ml.g5.2xlarge is 22.3 GiB" in str(refused.value)
    assert "      gradient_checkpointing: true\n# " in str(refused.value)


def test_a_larger_instance_is_proposed_where_it_holds_what_is_asked_for(a10g):
    estimate = sft_of_8b(a10g, workload=replace(WORKLOAD, lengths=(300, 1500)))

    found = proposals(estimate, max_cost=25, others=read_prices().devices("sagemaker"))
    larger = [one for one in found if not one.changes]

    assert [dict(one.environment) for one in larger] == [{"TWIN_TRAINER_INSTANCE_TYPE": "ml.g6e.xlarge"}]


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_an_8b_model_is_refused_where_main_memory_cannot_hold_it(method):
    short, enough = (read_prices().device(name) for name in ("ml.g5.xlarge", "ml.g5.2xlarge"))
    changes = {"gradient_checkpointing": True, "batch_size": 1, "max_length": 512, "method": method}

    with pytest.raises(UserError, match=r"of main memory beside the GPU, .* ml\.g5\.xlarge has 15\.4 GiB") as refused:
        check_fits(sft_of_8b(short, **changes), max_cost=25, others=read_prices().devices("sagemaker"))

    assert "\nTWIN_TRAINER_INSTANCE_TYPE=ml.g6e.xlarge\n" in str(refused.value)
    check_fits(sft_of_8b(enough, **changes), max_cost=25)


def test_the_first_proposal_is_the_smallest_change_and_fits_when_it_is_made(a10g):
    estimate = sft_of_8b(a10g, workload=replace(WORKLOAD, lengths=(300, 400)))

    first = proposals(estimate, max_cost=25, others=read_prices().devices("sagemaker"))[0]

    assert dict(first.changes) == {"gradient_checkpointing": True}
    check_fits(sft_of_8b(a10g, workload=replace(WORKLOAD, lengths=(300, 400)), **first.changes), max_cost=25)


def test_every_proposal_passes_the_check_that_refused(a10g):
    estimate = sft_of_8b(a10g)

    found = proposals(estimate, max_cost=25, others=read_prices().devices())

    assert found
    for proposal in found:
        check_fits(proposal.estimate, max_cost=25)


def test_a_smaller_batch_keeps_the_effective_batch(a10g):
    estimate = sft_of_8b(a10g, batch_size=4, gradient_accumulation=4, max_length=512)

    halved = [one for one in proposals(estimate, max_cost=25) if "batch_size" in one.changes]

    assert halved
    for proposal in halved:
        assert proposal.changes["batch_size"] * proposal.changes["gradient_accumulation"] == 16
        assert proposal.estimate.steps == estimate.steps


def test_the_lines_of_a_proposal_are_run_configuration(a10g):
    proposal = proposals(sft_of_8b(a10g, workload=replace(WORKLOAD, lengths=(300, 400))), max_cost=25)[0]

    assert yaml.safe_load(proposal.lines()) == {"ops": {"sft_checkpoint": {"config": {"gradient_checkpointing": True}}}}


def test_a_proposal_changes_nothing_that_the_stage_cannot_be_told(a10g):
    for proposal in proposals(sft_of_8b(a10g), max_cost=25):
        assert set(proposal.changes) <= set(SFTHyperparameters.model_fields)


def test_a_training_over_the_cap_is_refused_with_as_many_steps_as_the_cap_pays_for():
    l40s = read_prices().device("ml.g6e.xlarge")
    estimate = sft_of_8b(l40s, gradient_checkpointing=True, max_steps=100_000, epochs=50)
    assert estimate.cost is not None

    with pytest.raises(UserError, match=r"would cost about .* TWIN_TRAINING_MAX_COST allows 2.00 USD"):
        check_fits(estimate, max_cost=2)

    cheaper = next(one for one in proposals(estimate, max_cost=2) if set(one.changes) == {"max_steps"})
    assert 0 < cheaper.changes["max_steps"] < estimate.steps
    assert 1.5 < cheaper.estimate.cost.on_demand <= 2


def test_what_nothing_can_hold_is_refused_without_an_empty_proposal():
    tiny_gpu = Device(name="card", service="local", kind="gpu", count=1, memory=1 * GIB, peak_flops=1e12)

    with pytest.raises(UserError, match="take a smaller base model"):
        check_fits(sft_of_8b(tiny_gpu), max_cost=25)


def test_a_training_that_does_not_fit_this_machine_may_go_to_the_cloud():
    laptop = Device(name="this machine", service="local", kind="cpu", count=1, memory=8 * GIB, peak_flops=1e11)

    found = proposals(sft_of_8b(laptop), max_cost=25, others=read_prices().devices("sagemaker"))

    assert found[0].environment["TWIN_TRAINER_MODE"] == "sagemaker"


def test_eight_gpus_share_the_rows_of_a_step():
    one, eight = (sft_of_8b(read_prices().device(name)) for name in ("ml.g5.2xlarge", "ml.g5.48xlarge"))

    assert eight.plan.processes == 8 * one.plan.processes
    assert (eight.steps, eight.tokens) == (one.steps, one.tokens)
    paid = START_HOURS["sagemaker"]
    assert one.hours - paid == pytest.approx(8 * (eight.hours - paid))


def test_a_spec_whose_rows_are_shared_already_is_estimated_as_it_is_trained(base, datasets, tmp_path):
    spec = spec_for("sft", datasets["sft"], tmp_path / "sft", base=base)
    four = read_prices().device("ml.g5.12xlarge")

    estimate = estimate_for(shared(spec, four.count), four)
    assert estimate.plan.processes == 4
    alike = estimate_for(spec, four)
    assert replace(estimate, settings=alike.settings) == alike


def test_full_training_takes_six_operations_per_weight_and_token_and_lora_a_third_less():
    settings = SFTHyperparameters.model_validate(LARGE)
    lora = plan_for("sft", settings, architecture_from_config(LLAMA_3_8B), gpu=True)
    weights = lora.architecture.matmul_parameters
    full = replace(lora, method="full")

    # Attention adds a little at this length: 12 x 32 x 4096 x 2048 (PaLM, appendix B).
    attention = 12 * 32 * 4096 * 2048
    assert operations_per_token(full) == 6 * weights + attention
    assert operations_per_token(lora) == 4 * weights + 6 * lora.trainable + attention
    assert operations_per_token(replace(lora, gradient_checkpointing=True)) > 1.3 * operations_per_token(lora)


def test_kto_is_estimated_for_single_texts_and_two_passes_more_than_dpo():
    dpo, kto = (DPOHyperparameters(loss=loss, batch_size=4, max_steps=1000, epochs=1) for loss in ("dpo", "kto"))
    architecture = architecture_from_config(LLAMA_3_8B)
    pairs, texts = (plan_for("dpo", settings, architecture, gpu=True) for settings in (dpo, kto))
    forward = 2 * texts.architecture.matmul_parameters + 4 * 32 * 4096 * texts.max_length
    assert operations_per_token(texts) - operations_per_token(pairs) == 2 * forward
    assert (pairs.sequences, texts.sequences) == (8, 4)

    workload = Workload(rows=4 * pairs.gradient_accumulation * 10, lengths=(100,), counted_by="tokenizer")
    steps, tokens = steps_and_tokens(pairs, dpo, workload)
    assert steps == 10
    assert steps_and_tokens(texts, kto, workload) == (20, tokens), "as many texts, in steps of half as many"


def test_the_shipped_prices_name_their_date_source_and_region():
    table = read_prices()

    assert table.date.year >= 2026
    assert table.region
    assert table.source.startswith("https://")
    assert len({one.name for one in table.instances}) == len(table.instances)
    for one in table.instances:
        assert (one.service == "sagemaker") == one.name.startswith("ml.")


def test_a_price_table_of_the_user_s_own_is_read(tmp_path):
    content = yaml.safe_load(Path(read_prices.__globals__["SHIPPED"]).read_text(encoding="utf-8"))
    content["instances"] = [{**content["instances"][0], "usd_per_hour": 0.5}]
    path = tmp_path / "prices.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")

    table = read_prices(path)

    assert [device.usd_per_hour for device in table.devices()] == [0.5]
    with pytest.raises(UserError, match=r"ml\.p5\.48xlarge is not in the price table"):
        table.device("ml.p5.48xlarge")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("instances: [", "cannot be read"),
        ("region: here\n", "is not a price table: source"),
        ("- a list\n", "is not a price table"),
    ],
)
def test_a_broken_price_table_is_refused_and_its_fault_named(tmp_path, content, fault):
    path = tmp_path / "prices.yaml"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(UserError, match=fault):
        read_prices(path)


def test_a_folder_without_a_configuration_is_refused(tmp_path):
    with pytest.raises(UserError, match="no hub id"):
        architecture_of(str(tmp_path))


def test_a_configuration_that_is_not_json_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{", encoding="utf-8")

    with pytest.raises(UserError, match=r"cannot be read as a model's configuration"):
        architecture_of(str(tmp_path))


def test_a_configuration_of_no_language_model_is_refused():
    with pytest.raises(UserError, match=r"not that of a causal"):
        architecture_from_config({"model_type": "vit"})


def test_tokens_are_counted_with_the_tokenizer_of_the_base_model_and_by_characters_without(base, datasets):
    counted = workload_of("sft", str(datasets["sft"]), base / "tokenizer.json")
    guessed = workload_of("sft", str(datasets["sft"]), None)

    assert (counted.counted_by, guessed.counted_by) == ("tokenizer", "characters")
    assert counted.rows == guessed.rows == 24
    assert guessed.lengths != counted.lengths


@pytest.mark.parametrize("template", CHAT_TEMPLATES)
def test_a_row_is_as_long_as_the_payload_makes_it_with_its_template(template, base, tmp_path):
    from transformers import AutoTokenizer

    row = {"instruction": "Write about tides.", "answer": "The tide table is a lantern."}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "train.parquet")
    conversation = [*messages_for(row["instruction"]), *answer_message(row["answer"])]
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = CHAT_TEMPLATES[template].text
    made = len(tokenizer.apply_chat_template(conversation, tokenize=True, return_dict=False))

    (counted,) = workload_of("sft", str(tmp_path), base / "tokenizer.json", template).lengths

    assert made <= counted <= made + 3


def test_only_rows_that_were_all_counted_with_the_tokenizer_make_sequences_shorter(a10g, base, tmp_path):
    rows = [{"instruction": "Write.", "answer": "The tide."}] * (COUNTED_ROWS + 1)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "train.parquet")
    some = workload_of("sft", str(tmp_path), base / "tokenizer.json")
    pq.write_table(pa.Table.from_pylist(rows[:COUNTED_ROWS]), tmp_path / "train.parquet")
    every = workload_of("sft", str(tmp_path), base / "tokenizer.json")
    guessed = workload_of("sft", str(tmp_path), None)

    assert sft_of_8b(a10g, workload=every).plan.max_length == max(every.lengths) < 100
    for doubtful in (some, guessed):
        estimate = sft_of_8b(a10g, workload=doubtful)
        assert estimate.plan.max_length == LARGE["max_length"]
        # The tokens that it reads, and its hours, follow the mean all the same.
        assert estimate.tokens < 100 * estimate.steps * 16


def test_a_pair_counts_as_two_sequences(datasets):
    assert len(workload_of("dpo", str(datasets["dpo"]), None).lengths) == 2 * 24


def test_an_empty_dataset_is_refused(tmp_path):
    schema = pa.schema([("instruction", pa.string()), ("answer", pa.string())])
    pq.write_table(schema.empty_table(), tmp_path / "train.parquet")

    with pytest.raises(UserError, match="has no rows"):
        workload_of("sft", str(tmp_path), None)


def high_water_mark(pid: int) -> int:
    """Return the most memory that a process has held so far, in bytes.

    Not `ru_maxrss`, in which Linux counts what the process held that started it.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except ProcessLookupError:
        return 0
    mark = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(mark.split()[1]) * 1024


@pytest.mark.parametrize("stage", ["sft", "dpo"])
def test_the_offline_model_fits_this_machine_and_takes_about_the_memory_that_is_estimated(
    stage, base, datasets, tmp_path
):
    spec = spec_for(stage, datasets[stage], tmp_path / stage, base=base)
    estimate = estimate_for(spec, this_machine())
    check_fits(estimate, max_cost=0)

    process = start(spec, tmp_path)
    peak = 0
    while process.poll() is None:
        peak = max(peak, high_water_mark(process.pid))
        time.sleep(0.02)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 0, errors

    # Nearly all of it is the process itself: a model that small weighs nothing.
    assert estimate.memory.total == pytest.approx(peak, rel=0.5)
    metrics = json.loads((tmp_path / stage / "manifest.json").read_text(encoding="utf-8"))["metrics"]
    assert estimate.steps == metrics["steps"]
    assert estimate.plan.trainable == metrics["trainable_parameters"]
    assert estimate.plan.architecture.parameters == metrics["parameters"]
