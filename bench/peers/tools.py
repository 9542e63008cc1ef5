"""The tools that are there, and why the rest is not."""

import shlex

from llama import Llama
from official import Transformers
from ours import Aurore
from server import LlamaServer


def tools(arguments):
    """(tools, {name: why it is not there})"""
    models, threads, limit = arguments.models, arguments.threads, arguments.timeout
    there = [Aurore(arguments.aurore, models, threads, arguments.isa, limit)]
    absent = {}

    def add(name, program, option, make):
        if program and models:
            there.append(make(program))
        else:
            absent[name] = "--models was not given" if program else f"{option} was not given"

    for name, bench, batched, option in (
        ("llama.cpp", arguments.llama_bench, arguments.llama_batched_bench, "--llama-bench"),
        ("ik_llama.cpp", arguments.ik_llama_bench, arguments.ik_llama_batched_bench, "--ik-llama-bench"),
    ):
        add(name, bench, option,
            lambda program, name=name, batched=batched: Llama(name, program, batched, models, threads, limit))
    for name, server, option in (("llama.cpp server", arguments.llama_server, "--llama-server"),
                                 ("ik_llama.cpp server", arguments.ik_llama_server, "--ik-llama-server")):
        add(name, server, option,
            lambda program, name=name: LlamaServer(name, shlex.split(program), models, threads,
                                                   arguments.server_for_all, limit))
    if arguments.transformers:
        there.append(Transformers(arguments.transformers, models, threads, arguments.isa, limit))
    else:
        absent["transformers"] = "--transformers PYTHON was not given"
    return there, absent
