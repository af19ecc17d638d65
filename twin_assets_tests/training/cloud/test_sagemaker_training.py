"""Training jobs: real payloads, real HTTP, an emulated SageMaker; what is started, told, found again and ended."""

from twin_assets.training.storage import verified_checkpoint


def test_a_training_job_trains_the_spec_and_reports_what_it_left(make_training, runner, cloud):
    training = make_training()
    result = training.run()

    assert result.success, training.log(result)
    assert verified_checkpoint(training.spec.output_uri).spec_hash == training.spec.spec_hash
    assert cloud.count("CreateTrainingJob") == 1
    log = training.log(result)
    assert "Downloading the training image" in log
    assert "[algo-1-1]" in log
