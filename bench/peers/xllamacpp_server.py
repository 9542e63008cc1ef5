"""llama.cpp's server out of the Python package `xllamacpp`, with the options that `llama-server` has:
for machines without a build of llama.cpp (`--llama-server "python bench/peers/xllamacpp_server.py"`)."""

import argparse
import threading

import xllamacpp


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", action="store_true")
    parser.add_argument("-m", dest="model")
    parser.add_argument("-t", dest="threads", type=int)
    parser.add_argument("-c", dest="context", type=int, default=4096)
    parser.add_argument("-np", dest="parallel", type=int, default=1)
    parser.add_argument("-fa", dest="flash", default="on")
    parser.add_argument("--mmproj")
    parser.add_argument("--no-repack", action="store_true")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int)
    arguments = parser.parse_args()
    if arguments.no_repack:
        parser.error("not possible here: this package repacks always")
    if arguments.version:
        print(f"version: xllamacpp {xllamacpp.__version__}: {xllamacpp.get_system_info().strip()}")
        return
    params = xllamacpp.CommonParams()
    params.model.path = arguments.model
    params.n_ctx = arguments.context
    params.n_parallel = arguments.parallel
    params.cpuparams.n_threads = arguments.threads
    params.cpuparams_batch.n_threads = arguments.threads
    kinds = xllamacpp.llama_flash_attn_type
    params.flash_attn_type = (kinds.LLAMA_FLASH_ATTN_TYPE_ENABLED if arguments.flash in ("on", "1")
                              else kinds.LLAMA_FLASH_ATTN_TYPE_DISABLED)
    if arguments.mmproj:
        params.mmproj.path = arguments.mmproj
    # No caches of earlier requests: every one is measured from its start.
    params.cache_ram_mib = 0
    params.n_ctx_checkpoints = 0
    params.hostnames = [arguments.host]
    params.port = arguments.port
    # Serves until it is ended.
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
