// Pages that are dear to make.
#ifndef HOLDFAST_FRONTEND_HTTP_REMEMBERED_PAGE_H_
#define HOLDFAST_FRONTEND_HTTP_REMEMBERED_PAGE_H_

#include "absl/time/time.h"
#include "frontend/http/http_server.h"

namespace holdfast {

// `page`, which answers alike whatever the query, made at most once in `max_age`. It is made by one
// thread at a time; who asks meanwhile waits for it, and gets the same.
HttpPage RememberPage(HttpPage page, absl::Duration max_age);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_HTTP_REMEMBERED_PAGE_H_
