// SPDX-License-Identifier: GPL-2.0-or-later
// The engine's own speed, for `wakepath bench`.
#include "python/bindings/bindings.h"

#if __has_include("sim/engine/bench.h")
#include "sim/engine/bench.h"
#define WAKEPATH_HAS_IT 1
#endif

namespace wakepath::bindings {

void register_bench(py::module_& m) {
#ifdef WAKEPATH_HAS_IT
  m.def("bench_queue", [](int pending) {
    const engine::QueueBench b = [&] {
      py::gil_scoped_release release;
      return engine::bench_queue(pending);
    }();
    return std::make_pair(b.hold_ns, b.hold_cancel_ns);
  }, py::arg("pending"), "(ns per pop + push, ns with a cancel) with that many events pending.");
#else
  (void)m;
#endif
}

}  // namespace wakepath::bindings
