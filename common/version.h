#ifndef HOLDFAST_COMMON_VERSION_H_
#define HOLDFAST_COMMON_VERSION_H_

namespace holdfast {

// Of the runtime, front and workers alike. Semantic versioning of the SDK and the flags; the wire
// protocol is CompilerGym's 0.2.5 in any case.
inline constexpr char kVersion[] = "0.1.0";

}  // namespace holdfast

#endif  // HOLDFAST_COMMON_VERSION_H_
