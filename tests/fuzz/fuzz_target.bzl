"""Programs that only `--config=fuzz` builds: libFuzzer comes with clang."""

_FUZZ_ONLY = select({
    "//tests/fuzz:fuzz": [],
    "//conditions:default": ["@platforms//:incompatible"],
})

def fuzz_tool(name, deps):
    """Makes the program NAME of NAME.cc, which helps with fuzzing."""
    native.cc_binary(
        name = name,
        testonly = True,
        srcs = [name + ".cc"],
        target_compatible_with = _FUZZ_ONLY,
        deps = deps,
    )

def fuzz_target(name, deps):
    """Makes the libFuzzer program NAME of the file NAME.cc, which defines LLVMFuzzerTestOneInput.

    Args:
      name: the program, and its folder in the corpus.
      deps: what it needs.
    """
    native.cc_binary(
        name = name,
        testonly = True,
        srcs = [name + ".cc"],
        linkopts = ["-fsanitize=fuzzer"],
        target_compatible_with = _FUZZ_ONLY,
        deps = deps + [":fuzzing"],
    )
