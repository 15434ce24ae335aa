#include "frontend/benchmarks/benchmark_cache.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"

namespace holdfast {
namespace {

using compiler_gym::Benchmark;

constexpr int64_t kItemBytes = 1000;

// Exactly `bytes` in size when serialised.
std::shared_ptr<const Benchmark> Make(const std::string& uri, int64_t bytes = kItemBytes) {
  auto benchmark = std::make_shared<Benchmark>();
  benchmark->set_uri(uri);
  std::string* contents = benchmark->mutable_program()->mutable_contents();
  for (int64_t size = benchmark->ByteSizeLong(); size != bytes; size = benchmark->ByteSizeLong()) {
    contents->resize(contents->size() + bytes - size, 'x');
  }
  return benchmark;
}

std::string Uri(int i) { return absl::StrCat("benchmark://test/", i); }

std::set<int> Held(BenchmarkCache* cache, int count) {
  std::set<int> held;
  for (int i = 0; i < count; ++i) {
    if (cache->Find(Uri(i)) != nullptr) held.insert(i);
  }
  return held;
}

TEST(BenchmarkCacheTest, FindsWhatWasAdded) {
  BenchmarkCache cache(kDefaultBenchmarkCacheBytes, 0);
  EXPECT_EQ(cache.Find("benchmark://a"), nullptr);
  EXPECT_FALSE(cache.Add(Make("benchmark://a", 100)));
  EXPECT_FALSE(cache.Add(Make("benchmark://b", 200)));
  ASSERT_NE(cache.Find("benchmark://a"), nullptr);
  EXPECT_EQ(cache.Find("benchmark://a")->ByteSizeLong(), 100);
  EXPECT_EQ(cache.Find("benchmark://b")->uri(), "benchmark://b");

  const BenchmarkCache::Stats stats = cache.GetStats();
  EXPECT_EQ(stats.size_bytes, 300);
  EXPECT_EQ(stats.items, 2);
  EXPECT_EQ(stats.hits, 3);
  EXPECT_EQ(stats.misses, 1);
  EXPECT_EQ(stats.evictions, 0);
  EXPECT_EQ(stats.max_size_bytes, 54525952);
}

TEST(BenchmarkCacheTest, ReplacesOnConflict) {
  BenchmarkCache cache(1000, 0);
  cache.Add(Make("benchmark://a", 800));
  const auto old = cache.Find("benchmark://a");
  cache.Add(Make("benchmark://a", 900));  // Fits, because the old one makes room.
  EXPECT_EQ(cache.Find("benchmark://a")->ByteSizeLong(), 900);
  EXPECT_EQ(old->ByteSizeLong(), 800) << "its finder keeps it";
  EXPECT_EQ(cache.GetStats().size_bytes, 900);
  EXPECT_EQ(cache.GetStats().items, 1);
  EXPECT_EQ(cache.GetStats().evictions, 0);
}

TEST(BenchmarkCacheTest, EvictsDownToHalfWhenFull) {
  BenchmarkCache cache(10 * kItemBytes, 0);
  for (int i = 0; i < 10; ++i) cache.Add(Make(Uri(i)));
  EXPECT_EQ(cache.GetStats().items, 10) << "the limit itself is allowed";
  cache.Add(Make(Uri(10)));
  EXPECT_EQ(cache.GetStats().items, 6);
  EXPECT_EQ(cache.GetStats().evictions, 5);
  EXPECT_EQ(cache.GetStats().size_bytes, 6 * kItemBytes);
  const std::set<int> held = Held(&cache, 11);
  EXPECT_EQ(held.size(), 6);
  EXPECT_EQ(held.count(10), 1) << "the new one is not evicted";
}

TEST(BenchmarkCacheTest, HoldsWhatExceedsTheLimit) {
  BenchmarkCache cache(10 * kItemBytes, 0);
  for (int i = 0; i < 6; ++i) cache.Add(Make(Uri(i)));
  EXPECT_TRUE(cache.Add(Make("benchmark://large", 11 * kItemBytes)));
  EXPECT_NE(cache.Find("benchmark://large"), nullptr);
  EXPECT_EQ(cache.GetStats().items, 6);
  EXPECT_FALSE(cache.Add(Make(Uri(6))));
  EXPECT_EQ(cache.Find("benchmark://large"), nullptr) << "only without it is the rest half";
  EXPECT_LE(cache.GetStats().size_bytes, 6 * kItemBytes);
}

TEST(BenchmarkCacheTest, EvictToCapacity) {
  BenchmarkCache cache(kDefaultBenchmarkCacheBytes, 0);
  for (int i = 0; i < 10; ++i) cache.Add(Make(Uri(i)));
  cache.EvictToCapacity(10 * kItemBytes);
  EXPECT_EQ(cache.GetStats().items, 10);
  cache.EvictToCapacity(3 * kItemBytes + 1);
  EXPECT_EQ(cache.GetStats().items, 3);
  EXPECT_EQ(Held(&cache, 10).size(), 3);
  cache.EvictToCapacity(-1);
  EXPECT_EQ(cache.GetStats().items, 0);
  EXPECT_EQ(cache.GetStats().size_bytes, 0);
}

TEST(BenchmarkCacheTest, LoweringTheLimitEvicts) {
  BenchmarkCache cache(10 * kItemBytes, 0);
  for (int i = 0; i < 10; ++i) cache.Add(Make(Uri(i)));
  cache.SetMaxSize(20 * kItemBytes);
  EXPECT_EQ(cache.GetStats().items, 10);
  EXPECT_EQ(cache.GetStats().max_size_bytes, 20 * kItemBytes);
  cache.SetMaxSize(4 * kItemBytes);
  EXPECT_EQ(cache.GetStats().items, 4);
  EXPECT_EQ(cache.GetStats().evictions, 6);
  EXPECT_EQ(cache.GetStats().max_size_bytes, 4 * kItemBytes);
}

TEST(BenchmarkCacheTest, EvictionLeavesBenchmarksToTheirFinders) {
  BenchmarkCache cache(kDefaultBenchmarkCacheBytes, 0);
  cache.Add(Make("benchmark://a"));
  const auto found = cache.Find("benchmark://a");
  cache.EvictToCapacity(0);
  EXPECT_EQ(found->uri(), "benchmark://a");
  EXPECT_EQ(found.use_count(), 1);
}

std::set<int> SurvivorsOfEviction(uint64_t seed) {
  BenchmarkCache cache(kDefaultBenchmarkCacheBytes, seed);
  for (int i = 0; i < 20; ++i) cache.Add(Make(Uri(i), 100));
  cache.EvictToCapacity(1000);
  return Held(&cache, 20);
}

TEST(BenchmarkCacheTest, EvictionIsUniformAndRepeatable) {
  constexpr int kRuns = 4000;
  std::vector<int> survived(20);
  for (int seed = 0; seed < kRuns; ++seed) {
    for (const int i : SurvivorsOfEviction(seed)) ++survived[i];
  }
  // Each survives half of the time; five standard deviations are 158.
  for (int i = 0; i < 20; ++i) EXPECT_NEAR(survived[i], kRuns / 2.0, 158) << i;
  EXPECT_EQ(SurvivorsOfEviction(7), SurvivorsOfEviction(7));
  EXPECT_NE(SurvivorsOfEviction(7), SurvivorsOfEviction(8));
}

TEST(BenchmarkCacheTest, StaysConsistentUnderThreads) {
  BenchmarkCache cache(50 * kItemBytes, 0);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&cache, thread] {
      for (int i = 0; i < 5000; ++i) {
        const std::string uri = Uri((i * (2 * thread + 1)) % 100);
        if (const auto found = cache.Find(uri)) {
          ASSERT_EQ(found->uri(), uri);
        } else {
          cache.Add(Make(uri, 500 + i % 700));
        }
        if (i % 1000 == 999) cache.SetMaxSize((40 + i % 20) * kItemBytes);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const BenchmarkCache::Stats stats = cache.GetStats();
  EXPECT_EQ(stats.hits + stats.misses, 4 * 5000);
  EXPECT_LE(stats.size_bytes, stats.max_size_bytes);
  int64_t bytes = 0;
  for (const int i : Held(&cache, 100)) bytes += cache.Find(Uri(i))->ByteSizeLong();
  EXPECT_EQ(stats.size_bytes, bytes);
  EXPECT_EQ(stats.items, Held(&cache, 100).size());
}

}  // namespace
}  // namespace holdfast
