"""Repositories made of Debian's packages: link flags are asked of the packages' own tools."""

def _run(ctx, command):
    result = ctx.execute(command)
    if result.return_code != 0:
        fail("%s failed: %s (run deploy/install_packages.sh)" % (" ".join(command), result.stderr))
    return [word for word in result.stdout.replace("\n", " ").split(" ") if word]

def _static(flags):
    """Links `flags` as archives, in any order among themselves."""
    return ["-Wl,-Bstatic", "-Wl,--start-group"] + flags + ["-Wl,--end-group", "-Wl,-Bdynamic"]

def _as_needed(flags):
    """Links those shared libraries of `flags` of which something is used."""
    return ["-Wl,--as-needed"] + flags + ["-Wl,--no-as-needed"]

def _libraries_only(flags):
    seen = {}
    for flag in flags:
        if flag.startswith("-l") and flag not in ("-lpthread", "-ldl", "-lrt", "-lm"):
            seen[flag] = True
    return seen.keys()

_GRPC_BUILD = """
cc_library(
    name = "grpc",
    linkopts = {linkopts},
    visibility = ["//visibility:public"],
    deps = select({{
        "@holdfast//third_party/system:tsan": ["@holdfast//third_party/system:tsan_annotations"],
        "//conditions:default": [],
    }}),
)
"""

def _grpc_system_library_impl(ctx):
    modules = [
        "grpc++",
        "protobuf",
        "absl_flags_parse",
        "absl_flags_usage",
        "absl_any_invocable",
        "absl_hash",
        "absl_flat_hash_map",
        "absl_random_random",
        "absl_status",
        "absl_statusor",
        "absl_str_format",
        "absl_synchronization",
        "absl_time",
    ]
    libraries = _libraries_only(_run(ctx, ["pkg-config", "--static", "--libs"] + modules))
    linkopts = _static(libraries) + ["-ldl", "-lpthread", "-lrt"]
    ctx.file("BUILD.bazel", _GRPC_BUILD.format(linkopts = repr(linkopts)))

# gRPC, Protocol Buffers and Abseil as one static library: a worker starts in 2 ms, not in 20.
grpc_system_library = repository_rule(
    implementation = _grpc_system_library_impl,
    local = True,
)

_LLVM_BUILD = """
cc_library(
    name = "llvm",
    hdrs = glob(["include/llvm/**", "include/llvm-c/**"]),
    includes = ["include"],
    defines = ["HOLDFAST_CLANG=\\\\\\"{clang}\\\\\\""],
    linkopts = {linkopts},
    visibility = ["//visibility:public"],
)
"""

def _llvm_system_library_impl(ctx):
    llvm_config = "llvm-config-" + ctx.attr.version
    components = ["passes", "x86codegen", "x86asmparser", "bitreader", "bitwriter", "irreader"]
    libraries = _run(ctx, [llvm_config, "--link-static", "--libs"] + components)
    system = _run(ctx, [llvm_config, "--link-static", "--system-libs"] + components)
    include = _run(ctx, [llvm_config, "--includedir"])[0]
    libdir = _run(ctx, [llvm_config, "--libdir"])[0]
    ctx.symlink(include, "include")
    ctx.file("BUILD.bazel", _LLVM_BUILD.format(
        clang = "clang-" + ctx.attr.version,
        linkopts = repr(["-L" + libdir] + _static(libraries) + _as_needed(system)),
    ))

# LLVM as a static library. Bazel refuses include paths outside its root, hence the symlink. What all
# of LLVM may need holds Z3 and libxml2, with ICU, which we do not use: to load them takes a fifth of
# a worker's start.
llvm_system_library = repository_rule(
    implementation = _llvm_system_library_impl,
    attrs = {"version": attr.string(mandatory = True)},
    local = True,
)
