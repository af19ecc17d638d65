"""A training whose result goes to an object store: when the store takes nothing, little is lost, and it is told which.

The payload is started as the local trainer starts it, and by that trainer; the store is moto's, behind the gateway.
"""

import re

import dagster as dg
import pytest

from resources.trainer import LocalTrainer
from twin_assets.failures import telling_failures
from twin_assets.training.compute import Saving
from twin_assets.training.payload.exit_codes import REFUSED, STORAGE_EXIT_CODE
from twin_assets.training.storage import holds_files, verified_checkpoint
from twin_assets_tests.cloud_server import BUCKET, s3_error
from twin_assets_tests.training.conftest import spec_for, start

OUTPUT = f"s3://{BUCKET}/published/sft"
BUSY = s3_error("OperationAborted", 409)
"""What S3 says of two changes at once; botocore, which is patient for a minute, hands this one on at once."""


@pytest.fixture
def spec(cloud, datasets, base, tmp_path):
    saving = Saving(every_steps=1)
    return spec_for("sft", datasets["sft"], tmp_path / "sft", base=base, saving=saving).model_copy(
        update={"output_uri": OUTPUT}
    )


def on_writing(pattern, answer):
    """Return a fault that meets what is written to addresses like this."""
    return lambda call: answer if call.action == "PUT" and re.search(pattern, call.path) else None


def test_a_training_that_cannot_be_published_goes_on_from_its_last_checkpoint(spec, cloud, tmp_path):
    cloud.faults.append(on_writing(r"/published/sft/[0-9a-f]{16}/", BUSY))
    process = start(spec, tmp_path)
    said, errors = process.communicate(timeout=120)

    assert process.returncode == STORAGE_EXIT_CODE, errors
    assert "The checkpoint goes to" in said, "it was trained"
    assert f"{OUTPUT}/" in errors
    assert "Traceback" not in errors

    cloud.faults.clear()
    process = start(spec, tmp_path)
    said, errors = process.communicate(timeout=120)

    assert process.returncode == 0, errors
    assert "goes on from step" in said
    assert verified_checkpoint(OUTPUT).spec_hash == spec.spec_hash
    assert not holds_files(f"{OUTPUT}.checkpoints"), "what a complete run no longer needs is removed"


def test_where_nothing_may_be_written_nothing_is_trained(spec, cloud, tmp_path):
    cloud.faults.append(on_writing(r"/published/sft/", s3_error("AccessDenied", 403)))
    process = start(spec, tmp_path)
    said, errors = process.communicate(timeout=120)

    assert process.returncode == REFUSED
    assert f"{OUTPUT}/.probe cannot be written" in errors
    assert "step" not in said


def test_a_store_that_was_away_is_asked_again_by_the_trainer_of_this_machine(spec, cloud):
    faults = [BUSY]
    refused = on_writing(r"/published/sft/", BUSY)
    cloud.faults.append(lambda call: faults.pop() if faults and refused(call) else None)

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
    @telling_failures
    def sft_checkpoint(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        outcome = LocalTrainer().train(context, spec)
        return dg.MaterializeResult(data_version=dg.DataVersion(outcome.manifest.data_version))

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([sft_checkpoint], instance=instance, raise_on_error=False)

    assert not faults
    assert result.success
    assert verified_checkpoint(OUTPUT).spec_hash == spec.spec_hash
