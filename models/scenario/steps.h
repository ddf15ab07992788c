// SPDX-License-Identifier: GPL-2.0-or-later
// What a program of kind "steps" does, one text each ([program.NAME] turns), from the first to the last and again:
//
//   run TIME | sleep TIME | yield            CPU time in user mode; nanosleep; sched_yield
//   spin TIME                                runs until so long has passed by the clock, whoever else ran meanwhile
//   timer NAME PERIOD                        sleeps until the next multiple of the period since the program began; one
//                                            that has passed by is made up for by beginning anew from now
//   lock M | unlock M                        a mutex of that name, shared by all programs
//   wait C M | signal C | broadcast C        a condition variable of that name; the wait gives M back meanwhile
//   suspend | resume PROGRAM                 until another resumes it; a resume that comes first is kept
//   cpus LIST | cpus all | exec              sched_setaffinity of itself; execve, which looks for the idlest CPU
//   create FILE | touch FILE                 a new file under that name, without pages or blocks; utime
//   write FILE OFFSET BYTES | fsync FILE     through the page cache; files are the program's own, one set for each copy
//   loop N ... end                           what is between them N times; loops may be nested
//   stop                                     for ever
// They are what rt-app's files are made of (python/wakepath/rt_app.py), and a dbench client (scenarios/stacked_wakeup).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "models/scenario/units.h"

namespace wakepath::scenario {

struct Step {
  enum class Kind : std::uint8_t {
    run,
    spin,
    sleep,
    yield,
    timer,
    lock,
    unlock,
    wait,
    signal,
    broadcast,
    suspend,
    resume,
    cpus,
    exec,
    create,
    touch,
    write,
    fsync,
    loop,
    end,
    stop
  };
  Kind kind = Kind::run;
  std::int64_t time_ns = 0, count = 0, offset = 0;  // count: of turns, of bytes
  std::string name, mutex;
  std::vector<int> cpus;  // none: all
  std::size_t other = 0;  // of a loop its end, of an end its loop
};

[[nodiscard]] bool is_of_file(const Step& s);

// All of a program's, with its loops closed. Some step takes time, or the program would never give way to the clock.
Parsed<std::vector<Step>> parse_steps(const std::vector<std::string>& texts);

}  // namespace wakepath::scenario
