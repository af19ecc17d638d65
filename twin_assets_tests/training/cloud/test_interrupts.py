"""An interruption while a job is waited for: it is never lost, whenever it comes."""

import os
import signal

import dagster as dg
import pytest

from resources.trainer.interrupts import INTERRUPTIONS, capture_interrupts, pause


def test_an_interruption_that_comes_after_the_last_pause_is_raised_at_the_end():
    @capture_interrupts()
    def wait():
        pause(0)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(INTERRUPTIONS):
        wait()


def test_an_interruption_counts_for_more_than_a_failure_that_would_be_tried_again():
    @capture_interrupts()
    def fail():
        os.kill(os.getpid(), signal.SIGINT)
        raise dg.Failure("The machine was taken away.", allow_retries=True)

    with pytest.raises(INTERRUPTIONS) as caught:
        fail()
    assert isinstance(caught.value.__context__, dg.Failure)


def test_an_interruption_that_was_raised_once_is_not_raised_again():
    with capture_interrupts():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(INTERRUPTIONS):
            pause(0)
