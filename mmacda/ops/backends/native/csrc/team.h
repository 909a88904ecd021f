/* Threads that share the units of one phase of a call. */
#ifndef MMACDA_TEAM_H
#define MMACDA_TEAM_H
#include <pthread.h>

#include "lanes.h"

/* GOMP_parallel of the OpenMP runtime that PyTorch has loaded, or null. Its
 * threads are awake between two operators and would compete with ours. */
typedef void (*launcher)(void (*)(void *), void *, unsigned, unsigned);

enum { MAX_THREADS = 256 };

/* Computes one unit of a phase. */
typedef void work(void *call, int64_t unit, float *scratch);

/* Which thread computes a unit never changes a result: a unit writes what no
 * other unit of its phase touches. */
typedef struct team {
  int threads;
  launcher launch;
  void (*work)(void *call, int64_t unit, float *scratch);
  void *call;
  float *scratch;
  int64_t scratch_size, units, next_unit;
  int next_thread;
} team;

static void join_in(void *argument) {
  team *t = argument;
  int id = __atomic_fetch_add(&t->next_thread, 1, __ATOMIC_RELAXED);
  if (id >= t->threads) return; /* no scratch memory left for this one */
  for (;;) {
    int64_t unit = __atomic_fetch_add(&t->next_unit, 1, __ATOMIC_RELAXED);
    if (unit >= t->units) return;
    t->work(t->call, unit, t->scratch + id * t->scratch_size);
  }
}

static void *join_in_thread(void *argument) {
  join_in(argument);
  return NULL;
}

static void run_units(team *t, int64_t units,
                      void (*work)(void *, int64_t, float *)) {
  int count = (int)smaller(t->threads, units);
  t->work = work;
  t->units = units;
  t->next_unit = 0;
  t->next_thread = 0;
  if (count <= 1) {
    join_in(t);
  } else if (t->launch) {
    t->launch(join_in, t, count, 0);
  } else {
    pthread_t others[MAX_THREADS];
    int started = 0;
    while (started < count - 1 &&
           !pthread_create(&others[started], NULL, join_in_thread, t))
      started++;
    join_in(t);
    while (started) pthread_join(others[--started], NULL);
  }
}
#endif
