# -*- coding: utf-8 -*-
# Prints tasks the way a build prints commands: a line that begins with `$`, then what the task wrote, then how it
# ended. Runs on Ansible 2.7 with Python 2 as well as on later ones.
from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
    name: kiel
    callback: kiel
    type: stdout
    short_description: tasks as commands of a build
    description: Prints each task with its output and its end.
"""

# Results of these tasks are all that they say.
SAYING = ("debug", "assert", "fail")
# What every result may have beside what a task says.
COMMON = ("changed", "failed", "skipped", "invocation", "warnings", "deprecations", "exception")


def short(action):
    for prefix in ("ansible.builtin.", "ansible.legacy."):
        if action.startswith(prefix):
            return action[len(prefix):]
    return action


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "kiel"

    def _print(self, text):
        for line in text.rstrip().splitlines():
            self._display.display(line)

    def _text(self, value):
        if hasattr(value, "splitlines"):
            return value
        return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, default=repr)

    def _output(self, result, is_failed):
        """What a task, or one turn of its loop, wrote."""
        values = result._result
        action = short(result._task.action)
        for name in ("stdout", "stderr", "module_stdout", "module_stderr"):
            if values.get(name):
                self._print(self._text(values[name]))
        if is_failed and values.get("exception") and not values.get("module_stderr"):
            self._print(self._text(values["exception"]))
        if action in SAYING and not is_failed:
            said = [name for name in sorted(values) if name not in COMMON and not name.startswith("_")]
            for name in said:
                text = self._text(values[name])
                self._print(text if name == "msg" else "%s: %s" % (name, text))
        for warning in values.get("warnings") or []:
            self._print("warning: %s" % warning)

    def _end(self, word, result, detail=""):
        values = result._result
        label = values.get("_ansible_item_label", values.get("item"))
        if label is not None:
            word = "%s (%s)" % (word, self._text(label))
        self._print("%s: %s" % (word, detail) if detail else word)

    def _message(self, result):
        values = result._result
        message = values.get("msg") or values.get("censored") or values.get("reason")
        return self._text(message) if message else self._text(
            dict((name, value) for name, value in values.items() if not name.startswith("_"))
        )

    def _succeeded(self, result):
        self._output(result, False)
        self._end("changed" if result._result.get("changed") else "ok", result)

    def _failed(self, result, is_ignored):
        self._output(result, True)
        self._end("failed, ignored" if is_ignored else "failed", result, self._message(result))

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._print("$ TASK [%s] (%s)" % (task.get_name().strip(), short(task.action)))

    def v2_playbook_on_handler_task_start(self, task):
        self.v2_playbook_on_task_start(task, False)

    def v2_playbook_on_no_hosts_matched(self):
        self._print("no host: the playbook is for localhost")

    def v2_runner_on_ok(self, result):
        # The turns of a loop have been told.
        if "results" not in result._result or not result._task.loop:
            self._succeeded(result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        if "results" in result._result and result._task.loop:
            self._end("failed, ignored" if ignore_errors else "failed", result, self._message(result))
        else:
            self._failed(result, ignore_errors)

    def v2_runner_on_unreachable(self, result):
        self._failed(result, False)

    def v2_runner_on_skipped(self, result):
        if "results" not in result._result or not result._task.loop:
            self._end("skipped", result)

    def v2_runner_retry(self, result):
        self._output(result, False)
        self._end("tried again", result, self._message(result))

    def v2_runner_item_on_ok(self, result):
        self._succeeded(result)

    def v2_runner_item_on_failed(self, result):
        self._failed(result, False)

    def v2_runner_item_on_skipped(self, result):
        self._end("skipped", result)
