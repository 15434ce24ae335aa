// Shortest paths in a road-like graph: breadth-first search, Dijkstra's algorithm with a binary
// heap, Bellman and Ford's as a check, and Kruskal's spanning tree.
//
// The graph is a grid with missing streets and a few motorways. The argument multiplies its rows.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { kRows = 120, kColumns = 80, kMotorways = 40 };
#define kFar UINT32_MAX

typedef struct {
  uint32_t from;
  uint32_t to;
  uint32_t weight;
} Edge;

// The edges that leave node i are those from first[i] up to first[i + 1].
typedef struct {
  uint32_t nodes;
  uint32_t edges;
  uint32_t *first;
  Edge *edge;
} Graph;

static void *allocate(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (!memory) exit(2);
  return memory;
}

static uint32_t next_random(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}

static void add_street(Graph *graph, uint32_t a, uint32_t b, uint32_t weight) {
  graph->edge[graph->edges++] = (Edge){a, b, weight};
  graph->edge[graph->edges++] = (Edge){b, a, weight};
}

static int by_source(const void *a, const void *b) {
  const Edge *x = a;
  const Edge *y = b;
  if (x->from != y->from) return x->from < y->from ? -1 : 1;
  return x->to < y->to ? -1 : x->to > y->to;
}

static int by_weight(const void *a, const void *b) {
  const Edge *x = a;
  const Edge *y = b;
  if (x->weight != y->weight) return x->weight < y->weight ? -1 : 1;
  return by_source(a, b);
}

static Graph make_graph(uint32_t rows) {
  Graph graph = {rows * kColumns, 0, NULL, NULL};
  graph.edge = allocate(4 * (size_t)graph.nodes + 2 * kMotorways, sizeof *graph.edge);
  graph.first = allocate((size_t)graph.nodes + 1, sizeof *graph.first);
  uint32_t state = 19;
  for (uint32_t node = 0; node < graph.nodes; ++node) {
    const uint32_t chance = next_random(&state) % 8;
    const uint32_t weight = 1 + next_random(&state) % 50;
    if (node % kColumns + 1 < kColumns && chance != 0) add_street(&graph, node, node + 1, weight);
    if (node + kColumns < graph.nodes && chance != 1) {
      add_street(&graph, node, node + kColumns, 51 - weight);
    }
  }
  for (int i = 0; i < kMotorways; ++i) {
    const uint32_t from = next_random(&state) % graph.nodes;
    const uint32_t to = next_random(&state) % graph.nodes;
    if (from != to) add_street(&graph, from, to, 20 + next_random(&state) % 200);
  }
  qsort(graph.edge, graph.edges, sizeof *graph.edge, by_source);
  for (uint32_t i = 0; i < graph.edges; ++i) ++graph.first[graph.edge[i].from + 1];
  for (uint32_t i = 0; i < graph.nodes; ++i) graph.first[i + 1] += graph.first[i];
  return graph;
}

static void breadth_first(const Graph *graph, uint32_t start, uint32_t *hops) {
  uint32_t *queue = allocate(graph->nodes, sizeof *queue);
  for (uint32_t i = 0; i < graph->nodes; ++i) hops[i] = kFar;
  uint32_t tail = 0;
  hops[start] = 0;
  queue[tail++] = start;
  for (uint32_t head = 0; head < tail; ++head) {
    const uint32_t node = queue[head];
    for (uint32_t i = graph->first[node]; i < graph->first[node + 1]; ++i) {
      const uint32_t next = graph->edge[i].to;
      if (hops[next] != kFar) continue;
      hops[next] = hops[node] + 1;
      queue[tail++] = next;
    }
  }
  free(queue);
}

typedef struct {
  uint32_t distance;
  uint32_t node;
} Entry;

static void push(Entry *heap, uint32_t *size, Entry entry) {
  uint32_t at = (*size)++;
  for (; at > 0 && heap[(at - 1) / 2].distance > entry.distance; at = (at - 1) / 2) {
    heap[at] = heap[(at - 1) / 2];
  }
  heap[at] = entry;
}

static Entry pop(Entry *heap, uint32_t *size) {
  const Entry top = heap[0];
  const Entry last = heap[--*size];
  uint32_t at = 0;
  for (uint32_t child = 1; child < *size; child = 2 * at + 1) {
    if (child + 1 < *size && heap[child + 1].distance < heap[child].distance) ++child;
    if (heap[child].distance >= last.distance) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = last;
  return top;
}

static void dijkstra(const Graph *graph, uint32_t start, uint32_t *distance) {
  // An edge puts at most one entry into the heap.
  Entry *heap = allocate((size_t)graph->edges + 1, sizeof *heap);
  uint32_t size = 0;
  for (uint32_t i = 0; i < graph->nodes; ++i) distance[i] = kFar;
  distance[start] = 0;
  push(heap, &size, (Entry){0, start});
  while (size > 0) {
    const Entry nearest = pop(heap, &size);
    if (nearest.distance > distance[nearest.node]) continue;
    for (uint32_t i = graph->first[nearest.node]; i < graph->first[nearest.node + 1]; ++i) {
      const Edge *edge = &graph->edge[i];
      const uint32_t through = nearest.distance + edge->weight;
      if (through >= distance[edge->to]) continue;
      distance[edge->to] = through;
      push(heap, &size, (Entry){through, edge->to});
    }
  }
  free(heap);
}

// Returns the number of rounds.
static int bellman_ford(const Graph *graph, uint32_t start, uint32_t *distance) {
  for (uint32_t i = 0; i < graph->nodes; ++i) distance[i] = kFar;
  distance[start] = 0;
  int rounds = 0;
  for (int changed = 1; changed; ++rounds) {
    changed = 0;
    for (uint32_t i = 0; i < graph->edges; ++i) {
      const Edge *edge = &graph->edge[i];
      if (distance[edge->from] == kFar) continue;
      const uint32_t through = distance[edge->from] + edge->weight;
      if (through >= distance[edge->to]) continue;
      distance[edge->to] = through;
      changed = 1;
    }
  }
  return rounds;
}

static uint32_t root_of(uint32_t *parent, uint32_t node) {
  while (parent[node] != node) {
    parent[node] = parent[parent[node]];
    node = parent[node];
  }
  return node;
}

// The weight of the lightest forest; reorders the edges.
static uint64_t spanning_forest(Graph *graph, uint32_t *trees) {
  uint32_t *parent = allocate(graph->nodes, sizeof *parent);
  for (uint32_t i = 0; i < graph->nodes; ++i) parent[i] = i;
  qsort(graph->edge, graph->edges, sizeof *graph->edge, by_weight);
  uint64_t weight = 0;
  *trees = graph->nodes;
  for (uint32_t i = 0; i < graph->edges; ++i) {
    const uint32_t a = root_of(parent, graph->edge[i].from);
    const uint32_t b = root_of(parent, graph->edge[i].to);
    if (a == b) continue;
    parent[a] = b;
    weight += graph->edge[i].weight;
    --*trees;
  }
  free(parent);
  return weight;
}

int main(int argc, char **argv) {
  const long scale = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
  if (scale < 1 || scale > 1000) return 2;
  Graph graph = make_graph((uint32_t)scale * kRows);
  uint32_t *hops = allocate(graph.nodes, sizeof *hops);
  uint32_t *distance = allocate(graph.nodes, sizeof *distance);
  uint32_t *check = allocate(graph.nodes, sizeof *check);
  int good = 1;
  uint32_t digest = 0;
  uint32_t reached = 0;
  uint32_t farthest = 0;
  for (uint32_t i = 0; i < 8; ++i) {
    const uint32_t start = graph.nodes / 8 * i;
    breadth_first(&graph, start, hops);
    dijkstra(&graph, start, distance);
    for (uint32_t node = 0; node < graph.nodes; ++node) {
      good &= (hops[node] == kFar) == (distance[node] == kFar);
      if (distance[node] == kFar) continue;
      ++reached;
      digest = digest * 31 + distance[node] + 7 * hops[node];
      if (distance[node] > farthest) farthest = distance[node];
    }
  }
  const int rounds = bellman_ford(&graph, 0, check);
  dijkstra(&graph, 0, distance);
  for (uint32_t node = 0; node < graph.nodes; ++node) good &= distance[node] == check[node];

  uint32_t trees;
  const uint64_t weight = spanning_forest(&graph, &trees);
  printf("%u nodes, %u edges, %u reached, farthest %u, digest %08x\n", (unsigned)graph.nodes,
         (unsigned)graph.edges, (unsigned)reached, (unsigned)farthest, (unsigned)digest);
  printf("%d rounds; spanning forest of %u trees, weight %llu\n", rounds, (unsigned)trees,
         (unsigned long long)weight);
  free(graph.first);
  free(graph.edge);
  free(hops);
  free(distance);
  free(check);
  return good ? 0 : 1;
}
