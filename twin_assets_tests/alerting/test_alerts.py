"""Alerts, from a run that really failed to a mail server and an HTTP server that really listen, on loopback."""

import json
import re
import socket
import threading
import time
import urllib.error
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import dagster as dg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from aiosmtpd.smtp import AuthResult
from pydantic import SecretStr

from jobs.alerts import build_alerts
from resources.project import Project
from twin_assets.alerting import outbox
from twin_assets.alerting.messages import failure_alert, masked, secrets_of
from twin_assets.errors import UserError
from twin_assets.failures import telling_failures
from twin_assets.settings import Settings

AUTHORS = dg.DynamicPartitionsDefinition(name="authors")


class Mailbox(Message):
    """What arrived; who is among `unknown` gets nothing, and what holds the `filtered` word is refused."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Any] = []
        self.unknown: set[str] = set()
        self.filtered: str | None = None

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if address in self.unknown:
            return "550 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.filtered and self.filtered.encode() in envelope.content:
            return "554 looks like spam"
        return str(await super().handle_DATA(server, session, envelope))

    def handle_message(self, message: Any) -> None:
        self.mails.append(message_from_bytes(message.as_bytes(), policy=default_policy))


class Mail:
    """A mail server that can be stopped and started again on the same port."""

    def __init__(self) -> None:
        self.box = Mailbox()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.controller: Controller | None = None

    def start(self) -> None:
        self.controller = Controller(
            self.box,
            hostname="127.0.0.1",
            port=self.port,
            authenticator=lambda *_: AuthResult(success=True),
            auth_require_tls=False,
        )
        self.controller.start()

    def stop(self) -> None:
        if self.controller:
            self.controller.stop()
            self.controller = None


@pytest.fixture
def mail() -> Iterator[Mail]:
    mail = Mail()
    mail.start()
    yield mail
    mail.stop()


class Hook:
    """A webhook that answers with `status`, after `seconds`, or with 400 to a `filtered` word, and keeps the rest."""

    def __init__(self) -> None:
        self.status = 200
        self.seconds = 0.0
        self.filtered: str | None = None
        self.posts: list[dict[str, Any]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                time.sleep(hook.seconds)
                posted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = 400 if hook.filtered and hook.filtered in posted["text"] else hook.status
                if status == 200:
                    hook.posts.append(posted)
                self.send_response(status)
                self.end_headers()

            def log_message(self, *args: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/services/T0/hook-secret"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.server.shutdown()
    hook.server.server_close()


class Platform:
    """An instance on which steps fail, and the sensor that tells of it."""

    def __init__(self, instance: dg.DagsterInstance, settings: Settings) -> None:
        self.instance, self.settings = instance, settings
        self.cursor: str | None = None
        self.error: Exception | None = None

        @dg.asset(partitions_def=AUTHORS, retry_policy=dg.RetryPolicy(max_retries=1))
        @telling_failures
        def collected(context: dg.AssetExecutionContext) -> None:
            """Collected."""
            if self.error:
                raise self.error

        self.collected = collected
        instance.add_dynamic_partitions("authors", ["ann", "bob"])
        self.tick()

    def fail(self, error: Exception, author: str = "ann") -> str:
        """Run the asset into an error; return the run's id."""
        self.error = error
        result = dg.materialize([self.collected], partition_key=author, instance=self.instance, raise_on_error=False)
        assert not result.success
        return result.run_id

    def promote(self, version: str, *, promoted: bool = True) -> None:
        self.instance.report_runless_asset_event(
            dg.AssetMaterialization(
                "registered_model",
                partition="ann",
                metadata={"champion": version, "promoted": promoted, "reason": "Perplexity 12.1 against 14.8."},
            )
        )

    def move(self, alias: str, version: str) -> None:
        self.instance.report_runless_asset_event(
            dg.AssetObservation(
                "registered_model",
                partition="ann",
                metadata={"alias": alias, "from": "1", "to": version, "why": "A person rolled version 4 back."},
            )
        )

    def tick(self) -> str:
        sensor = build_alerts(self.settings)
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"project": Project(authors_dir="authors")}
        ) as context:
            result = sensor(context)
        self.cursor = result.cursor
        return result.skip_reason.skip_message


@pytest.fixture
def platform(mail, hook) -> Iterator[Platform]:
    settings = Settings(
        alert_email_to="ops@twin.example, ann@twin.example",
        smtp_host="127.0.0.1",
        smtp_port=mail.port,
        smtp_starttls=False,
        alert_webhook_url=hook.url,
        mongodb_url="mongodb://twin:hunter2@db.example",
    )
    with dg.instance_for_test() as instance:
        yield Platform(instance, settings)


def test_a_failed_step_is_told_once_by_mail_and_webhook_with_author_step_error_and_link(platform, mail, hook):
    run = platform.fail(UserError("The folder of ann is empty: add a text."))
    platform.tick()
    (sent,) = mail.box.mails
    assert sent["Subject"] == "[twin] collected of ann failed"
    assert sent["To"] == "ops@twin.example, ann@twin.example"
    for text in (sent.get_content(), hook.posts[0]["text"]):
        assert "collected of ann failed: The folder of ann is empty: add a text." in text
        assert "A retry cannot help before that is mended." in text
        assert f"http://127.0.0.1:3000/runs/{run}" in text
    platform.tick()
    assert (len(mail.box.mails), len(hook.posts)) == (1, 1)


def test_what_passes_by_itself_is_told_with_the_advice_to_try_again(platform, hook):
    refused = urllib.error.HTTPError("http://busy.example", 503, "Service Unavailable", EmailMessage(), None)
    for error in (ConnectionRefusedError("nobody listens"), refused):
        platform.fail(error)
        platform.tick()
        assert "A retry can help" in hook.posts[-1]["text"]
    assert len(hook.posts) == 2


def test_the_same_failure_again_is_told_once_and_that_of_another_author_or_error_too(platform, hook):
    for _ in range(3):
        platform.fail(UserError("The site answered 12 of 40 pages."))
        platform.tick()
    platform.fail(UserError("The site answered 13 of 40 pages."))
    platform.tick()
    assert len(hook.posts) == 1
    platform.fail(UserError("The site answered 12 of 40 pages."), author="bob")
    platform.fail(UserError("The disk is full."))
    platform.tick()
    assert [post["subject"] for post in hook.posts] == [
        "collected of ann failed",
        "collected of bob failed",
        "collected of ann failed",
    ]


def test_after_the_hours_it_is_told_again(platform, hook):
    platform.fail(UserError("The disk is full."))
    platform.tick()
    platform.settings = platform.settings.model_copy(update={"alert_repeat_hours": 0.0})
    platform.fail(UserError("The disk is full."))
    platform.tick()
    assert len(hook.posts) == 2


def test_a_mail_server_that_is_down_loses_nothing_and_stops_no_other_channel(platform, mail, hook):
    mail.stop()
    platform.fail(UserError("The disk is full."))
    assert "1 waiting" in platform.tick()
    assert len(hook.posts) == 1
    platform.fail(UserError("The folder is empty."))
    assert "2 waiting" in platform.tick()
    mail.start()
    assert "0 waiting" in platform.tick()
    assert [sent["Subject"] for sent in mail.box.mails] == ["[twin] collected of ann failed"] * 2
    assert len(hook.posts) == 2
    platform.tick()
    assert len(mail.box.mails) == 2


def test_an_address_that_is_refused_costs_the_others_no_second_mail_and_is_said(platform, mail, capfd):
    mail.box.unknown = {"ops@twin.example"}
    platform.fail(UserError("The disk is full."))
    assert "0 waiting" in platform.tick()
    platform.tick()
    assert len(mail.box.mails) == 1
    assert "127.0.0.1 refused 1 of 2 addresses" in capfd.readouterr().err


def test_a_mail_that_every_address_was_refused_for_waits(platform, mail):
    mail.box.unknown = {"ops@twin.example", "ann@twin.example"}
    platform.fail(UserError("The disk is full."))
    assert "1 waiting" in platform.tick()
    mail.box.unknown = set()
    assert "0 waiting" in platform.tick()
    assert len(mail.box.mails) == 1


def test_a_webhook_that_answers_with_an_error_is_tried_again_at_the_next_tick(platform, mail, hook):
    hook.status = 503
    platform.fail(UserError("The disk is full."))
    platform.tick()
    assert (len(mail.box.mails), len(hook.posts)) == (1, 0)
    hook.status = 200
    platform.tick()
    assert (len(mail.box.mails), len(hook.posts)) == (1, 1)


def test_a_webhook_that_speaks_no_http_stops_no_other_channel_and_is_tried_again(platform, mail, hook):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")

        threading.Thread(target=greet, daemon=True).start()
        address = SecretStr(f"http://127.0.0.1:{server.getsockname()[1]}/services")
        hooked = platform.settings
        platform.settings = hooked.model_copy(update={"alert_webhook_url": address})
        platform.fail(UserError("The disk is full."))
        assert "1 waiting" in platform.tick()
    platform.settings = hooked
    assert "0 waiting" in platform.tick()
    assert (len(mail.box.mails), len(hook.posts)) == (1, 1)


def test_an_alert_that_a_server_refuses_for_what_it_says_holds_no_other_back(platform, mail, hook):
    mail.box.filtered = hook.filtered = "spam"
    for folder in ("spam", "jam", "ham"):
        platform.fail(UserError(f"The folder {folder} is empty."))
    assert "7 delivered, 2 waiting" in platform.tick()
    mail.box.filtered = None
    assert "1 delivered, 1 waiting" in platform.tick()
    assert [re.findall(r"folder (\w+)", sent.get_content()) for sent in mail.box.mails] == [["jam"], ["ham"], ["spam"]]
    assert len(hook.posts) == 2


def test_after_an_outage_the_last_news_is_still_who_is_the_champion(platform, hook):
    hook.status = 503
    for version in ("2", "3"):
        platform.promote(version)
        platform.tick()
    hook.status = 200
    platform.tick()
    assert [post["subject"].split()[1] for post in hook.posts] == ["2", "3"]


def test_a_password_that_smtp_cannot_send_stops_no_other_channel(platform, mail, hook):
    update = {"smtp_user": "twin", "smtp_password": SecretStr("hünter3")}
    platform.settings = platform.settings.model_copy(update=update)
    platform.fail(UserError("The disk is full."))
    assert "2 delivered, 1 waiting" in platform.tick()
    assert len(hook.posts) == 1


def test_a_slow_channel_does_not_outlast_the_tick_and_the_rest_is_sent_at_the_next(platform, hook, monkeypatch):
    monkeypatch.setattr(outbox, "LONGEST_DELIVERY", 0.5)
    hook.seconds = 0.3
    for name in "abcdef":
        platform.fail(UserError(f"The disk of {name} is full."))
    platform.tick()
    assert 0 < len(hook.posts) < 6
    hook.seconds = 0.0
    assert "0 waiting" in platform.tick()
    assert sorted(re.findall(r"disk of (\w)", json.dumps(hook.posts))) == list("abcdef")


def test_a_password_is_not_sent_to_a_server_that_offers_no_encryption(platform, mail, hook):
    update = {"smtp_starttls": True, "smtp_user": "twin", "smtp_password": SecretStr("hunter3")}
    platform.settings = platform.settings.model_copy(update=update)
    platform.fail(UserError("The disk is full."))
    assert "1 waiting" in platform.tick()
    assert mail.box.mails == []
    assert len(hook.posts) == 1


def test_no_secret_is_in_what_is_told_nor_in_the_cursor(platform, mail, hook):
    platform.fail(UserError(f"mongodb://twin:hunter2@db.example and {hook.url} refuse twin with hunter2."))
    platform.tick()
    told = mail.box.mails[0].get_content() + json.dumps(hook.posts) + platform.cursor
    assert "refuse twin with" in told
    assert not re.search("hunter2|hook-secret", told)


def test_a_new_champion_is_told_and_a_registration_that_moved_nothing_is_not(platform, hook):
    platform.promote("3")
    platform.promote("3", promoted=False)
    platform.tick()
    platform.tick()
    (post,) = hook.posts
    assert post["kind"] == "promotion"
    assert "Version 3 of ann is the champion now: Perplexity 12.1 against 14.8." in post["text"]


@pytest.mark.parametrize("hours", [6.0, 0.0])
def test_the_move_of_the_alias_is_told_too_and_with_its_registration_once(platform, hook, hours):
    platform.settings = platform.settings.model_copy(update={"alert_repeat_hours": hours})
    for alias in ("candidate", "champion"):
        platform.move(alias, "3")
    platform.tick()
    platform.promote("3")
    platform.tick()
    (post,) = hook.posts
    assert "Version 3 of ann is the champion now: A person rolled version 4 back." in post["text"]


def test_the_last_news_is_always_who_is_the_champion(platform, hook):
    for version in ("2", "3", "2"):
        platform.move("champion", version)
        platform.promote(version)
        platform.tick()
    for version in ("3", "2"):
        platform.move("champion", version)
        platform.promote(version)
    platform.tick()
    assert [post["subject"].split()[1] for post in hook.posts] == ["2", "3", "2", "3", "2"]


def test_what_failed_before_the_first_tick_is_no_news(platform, hook):
    platform.fail(UserError("The disk is full."))
    platform.promote("3")
    platform.cursor = None
    platform.tick()
    assert hook.posts == []


def test_without_a_setting_the_log_is_the_only_channel(platform, mail, hook):
    platform.settings = Settings()
    platform.fail(UserError("The disk is full."))
    assert platform.tick() == "1 new alerts, 1 delivered, 0 waiting"
    assert (mail.box.mails, hook.posts) == ([], [])


def test_a_long_error_is_cut_and_the_userinfo_of_any_address_is_gone():
    text = masked("see https://user:pw-of-somebody@host.example/x " + "word " * 400, [])
    assert "pw-of-somebody" not in text
    assert len(text) < 700


def test_every_secret_setting_is_known_and_the_password_in_an_address_too():
    settings = Settings(mongodb_url="mongodb://a:b-secret@h", qdrant_api_key="c-secret")
    settings = settings.model_copy(update={"smtp_password": SecretStr("d-secret")})
    assert {"b-secret", "c-secret", "d-secret", "mongodb://a:b-secret@h"} <= set(secrets_of(settings))
    alert = failure_alert(
        author=None, step="s", sentence="c-secret", retry_can_help=False, link="l", secrets=secrets_of(settings)
    )
    assert "secret" not in alert.text.lower().replace("[secret]", "")
