// SPDX-License-Identifier: GPL-2.0-or-later
// Scenario: an immutable, resolved scenario. It is made by the readers of models/scenario, printed by to_toml(), looked
// at through describe(), and pickled as its text. A changed scenario is a new one: with_sets() reads the text again.
#include "python/bindings/bindings.h"
#include "python/bindings/convert.h"

#include "models/scenario/scenario_io.h"

namespace wakepath::bindings {

namespace {

using scenario::LoadOptions;
using scenario::Scenario;

using Sets = std::vector<std::string>;
using Text = std::optional<std::string>;

LoadOptions options_of(const Sets& sets, const Text& machine, const Text& kernel, const Text& seed, const Text& samples,
                       const Text& duration, const Text& warmup, const Sets& search_dirs) {
  LoadOptions o;
  o.sets = sets;
  o.machine_file = machine;
  o.kernel = kernel;
  o.seed = seed;
  o.samples = samples;
  o.duration = duration;
  o.warmup = warmup;
  o.search_dirs = search_dirs;
  return o;
}

enum class Source { file, text, fio, shell, truth_case };

scenario::Result<Scenario> read(Source source, const std::string& text, const std::string& name, const LoadOptions& o) {
  switch (source) {
    case Source::file:
      return scenario::load(text, o);
    case Source::text:
      return scenario::load_text(text, name, o);
    case Source::fio:
      return scenario::from_fio(text, name, o);
    case Source::shell:
      return scenario::from_shell(text, name, o);
    case Source::truth_case:
      return scenario::from_truth_case(text, o);
  }
  return scenario::load(text, o);
}

template <Source source>
Scenario make(const std::string& text, const std::string& name, const Sets& sets, const Text& machine,
              const Text& kernel, const Text& seed, const Text& samples, const Text& duration, const Text& warmup,
              const Sets& search_dirs) {
  const LoadOptions o = options_of(sets, machine, kernel, seed, samples, duration, warmup, search_dirs);
  auto result = [&] {
    py::gil_scoped_release release;
    return read(source, text, name, o);
  }();
  return value_or_raise(std::move(result));
}

template <Source source, class Class>
void def_reader(Class& c, const char* method, const char* default_name, const char* doc) {
  c.def_static(method, &make<source>, py::arg("text"), py::arg("name") = default_name, py::kw_only(),
               py::arg("sets") = Sets{}, py::arg("machine") = py::none(), py::arg("kernel") = py::none(),
               py::arg("seed") = py::none(), py::arg("samples") = py::none(), py::arg("duration") = py::none(),
               py::arg("warmup") = py::none(), py::arg("search_dirs") = Sets{}, doc);
}

}  // namespace

void register_scenario(py::module_& m) {
  py::class_<Scenario> c(m, "Scenario", "A resolved scenario; immutable.");
  def_reader<Source::file>(c, "load", "", "A scenario file, a folder, a name found in search_dirs, or a fio job file.");
  def_reader<Source::text>(c, "load_text", "text", "The same from TOML text.");
  def_reader<Source::fio>(c, "from_fio", "fio", "From a fio job file's text or a fio command line.");
  def_reader<Source::shell>(c, "from_shell", "shell", "From pasted shell lines (cgcreate, echo, taskset fio ...).");
  def_reader<Source::truth_case>(c, "from_truth_case", "case",
                                 "From one case of schema wakepath.truth/1, as JSON text.");
  c.def(
      "to_toml", [](const Scenario& s) { return scenario::to_toml(s); }, "Fully resolved text, byte-stable.");
  c.def("describe", &scenario_dict, "What a reader of results needs to know of it, as plain data.");
  c.def("__eq__", [](const Scenario& a, const Scenario& b) { return scenario::to_toml(a) == scenario::to_toml(b); });
  c.def("__repr__", [](const Scenario& s) { return "<wakepath scenario " + s.name + ">"; });
  c.def(py::pickle([](const Scenario& s) { return py::make_tuple(scenario::to_toml(s), s.name); },
                   [](const py::tuple& t) {
                     return value_or_raise(scenario::load_text(t[0].cast<std::string>(), t[1].cast<std::string>()));
                   }));

  m.def("list_scenarios", &scenario::list_scenarios, py::arg("search_dirs"), "Names `load` finds in the folders.");
  m.def(
      "explain", [](const std::string& key) { return value_or_raise(scenario::explain(key)); }, py::arg("key"),
      "Lines of text about one scenario key.");
  m.def(
      "list_keys",
      [] {
        py::list keys;
        for (const scenario::KeyInfo& k : scenario::list_keys()) {
          py::dict d;
          d["key"] = k.key;
          d["type"] = k.type;
          d["unit"] = k.unit;
          d["default"] = k.default_value;
          d["doc"] = k.doc;
          keys.append(d);
        }
        return keys;
      },
      "Every scenario key with type, unit, default and meaning.");
}

}  // namespace wakepath::bindings
