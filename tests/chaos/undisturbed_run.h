// Does to a session of an undisturbed service what a tormented one acknowledged, and compares.
#ifndef HOLDFAST_TESTS_CHAOS_UNDISTURBED_RUN_H_
#define HOLDFAST_TESTS_CHAOS_UNDISTURBED_RUN_H_

#include <string>

#include "tests/chaos/client.h"

namespace holdfast::chaos {

// The first difference between the record and an undisturbed session; empty: there is none. The
// service must have the programs of the record's type.
std::string FindDifference(const SessionRecord& record, const ServiceProcess& service);

}  // namespace holdfast::chaos

#endif  // HOLDFAST_TESTS_CHAOS_UNDISTURBED_RUN_H_
