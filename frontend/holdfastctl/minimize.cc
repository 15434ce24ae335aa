#include "frontend/holdfastctl/minimize.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

namespace holdfast {
namespace {

class Minimizer {
 public:
  Minimizer(int size, const MinimizeTest& test) : size_(size), test_(test), kept_(size) {
    std::iota(kept_.begin(), kept_.end(), 0);
  }

  MinimizeResult Run() {
    bool goes_on = !kept_.empty() && !Adopt({});
    size_t parts = 2;
    while (goes_on && !is_stopped_ && kept_.size() >= 2) {
      parts = std::min(parts, kept_.size());
      if (AdoptPart(parts)) {
        parts = 2;
      } else if (AdoptComplement(parts)) {
        parts = std::max<size_t>(parts - 1, 2);
      } else {
        goes_on = parts < kept_.size();
        parts *= 2;
      }
    }
    return {std::move(kept_), tests_, !is_stopped_};
  }

 private:
  // Part i of `parts` begins here.
  size_t Begin(size_t i, size_t parts) const { return i * kept_.size() / parts; }

  // The last parts first: what fails is at the end.
  bool AdoptPart(size_t parts) {
    for (size_t i = parts; i-- > 0;) {
      if (Adopt({kept_.begin() + static_cast<ptrdiff_t>(Begin(i, parts)),
                 kept_.begin() + static_cast<ptrdiff_t>(Begin(i + 1, parts))})) {
        return true;
      }
    }
    return false;
  }

  bool AdoptComplement(size_t parts) {
    for (size_t i = 0; i < parts; ++i) {
      std::vector<int> rest = kept_;
      rest.erase(rest.begin() + static_cast<ptrdiff_t>(Begin(i, parts)),
                 rest.begin() + static_cast<ptrdiff_t>(Begin(i + 1, parts)));
      if (Adopt(std::move(rest))) return true;
    }
    return false;
  }

  // Goes on with `candidate` if it fails.
  bool Adopt(std::vector<int> candidate) {
    std::vector<bool> key(static_cast<size_t>(size_));
    for (const int index : candidate) key[static_cast<size_t>(index)] = true;
    if (is_stopped_ || passed_.count(key) > 0) return false;
    const absl::optional<bool> fails = test_(candidate);
    if (!fails.has_value()) {
      is_stopped_ = true;
      return false;
    }
    ++tests_;
    if (*fails) {
      kept_ = std::move(candidate);
    } else {
      passed_.insert(std::move(key));
    }
    return *fails;
  }

  const int size_;
  const MinimizeTest& test_;
  std::vector<int> kept_;
  // What failed needs no remembering: it became `kept_`.
  std::set<std::vector<bool>> passed_;
  int tests_ = 0;
  bool is_stopped_ = false;
};

}  // namespace

MinimizeResult Minimize(int size, const MinimizeTest& test) { return Minimizer(size, test).Run(); }

}  // namespace holdfast
