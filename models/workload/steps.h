// SPDX-License-Identifier: GPL-2.0-or-later
// Programs that are a list of steps (models/scenario/steps.h), and the mutexes and condition variables they share.
//
// A mutex is glibc's: taken and given back without a system call while nobody waits; who finds it taken sleeps in
// futex_wait; who gives it back wakes the first sleeper, which tries again, so that another may be faster. A condition
// variable wakes in the order of waiting; the wakee takes the mutex again by itself.
// Source: kernel/futex/waitwake.c:futex_wait, futex_wake, 6.1 and 6.12; glibc nptl/lowlevellock.c.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "models/fs/page_cache.h"
#include "models/machine/machine.h"
#include "models/machine/sleep.h"
#include "models/scenario/steps.h"

namespace wakepath::workload {

// What programs of a run share, by name.
struct SyncObjects {
  using Sleepers = std::deque<machine::KTask*>;
  struct Mutex {
    machine::KTask* owner = nullptr;
    Sleepers sleepers;
  };
  struct Suspension {
    machine::KTask* task = nullptr;
    bool asleep = false;
    std::int64_t kept = 0;  // resumes that came before their suspend
  };
  std::map<std::string, Mutex> mutexes;
  std::map<std::string, Sleepers> conditions;
  std::map<std::string, Suspension> suspensions;  // by program
};

class Steps {
 public:
  Steps(machine::Machine& m, SyncObjects& shared, machine::KTask& task, std::string name,
        const scenario::Program& conf);
  void use(fs::PageCache& cache);  // its files are made there
  machine::Body body(machine::KTask& t);
  // Times that the list was gone through, and how long that took in all.
  struct Passes {
    std::int64_t count = 0;
    machine::Time ns = 0;
  } passes;

 private:
  machine::Call<void> step(machine::KTask& t, const scenario::Step& s);
  machine::Call<void> timer(machine::KTask& t, const scenario::Step& s);
  machine::Call<void> lock(machine::KTask& t, const std::string& name);
  machine::Call<void> unlock(machine::KTask& t, const std::string& name);
  machine::Call<void> wait(machine::KTask& t, const scenario::Step& s);
  machine::Call<void> suspend(machine::KTask& t);
  machine::Call<void> resume(machine::KTask& t, const std::string& name);
  machine::Call<void> set_affinity(machine::KTask& t, const std::vector<int>& cpus);
  machine::Call<void> exec(machine::KTask& t);
  // Sleeps in a system call until somebody takes it off the list.
  machine::Call<void> futex_wait(machine::KTask& t, SyncObjects::Sleepers& sleepers);
  machine::Call<void> futex_wake(machine::KTask& t, SyncObjects::Sleepers& sleepers, std::size_t most);
  machine::Call<void> file(machine::KTask& t, const scenario::Step& s);
  machine::Call<void> leave(machine::KTask& t);

  machine::Machine& machine_;
  SyncObjects& shared_;
  std::string name_;
  std::vector<scenario::Step> steps_;
  std::vector<std::int64_t> turns_;            // done of each loop
  std::map<std::string, machine::Time> next_;  // of each timer
  machine::SleepTimer sleep_;
  fs::PageCache* cache_ = nullptr;
  std::map<std::string, fs::File*> files_;
  fs::Dirtier dirtier_;
};

}  // namespace wakepath::workload
