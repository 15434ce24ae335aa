#ifndef HOLDFAST_COMMON_VERSION_H_
#define HOLDFAST_COMMON_VERSION_H_

namespace holdfast {

// Of the runtime, front and workers alike. Semantic versioning of the SDK and the flags; the wire
// protocol is CompilerGym's 0.2.5 in any case.
inline constexpr char kVersion[] = "0.1.0";

// What this was compiled with.
#ifdef __clang__
inline constexpr char kCompiler[] = __VERSION__;  // Names itself.
#else
inline constexpr char kCompiler[] = "GCC " __VERSION__;
#endif

}  // namespace holdfast

#endif  // HOLDFAST_COMMON_VERSION_H_
