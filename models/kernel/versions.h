// SPDX-License-Identifier: GPL-2.0-or-later
// Kernel versions that have a table of switches, and how a user's version string finds one.
//
// "6.1" and "6.12" mean the late stable trees the rules were read in (Debian's linux-source-6.1, -6.12), not the .0
// releases: they carry backports that change decisions. The others are taken at the point their sources describe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

namespace wakepath::kernel {

struct Switches;

enum class Grade : std::uint8_t {
  read,       // read in that tree
  looked_up,  // a public patch, mail or tree was looked at
  knowledge,  // general knowledge, not verified again
  inferred    // follows from neighbouring versions
};
const char* grade_name(Grade g);

struct Cell {  // one switch in one version
  std::int64_t value = 0;
  Grade grade = Grade::inferred;
  std::string source;  // spec section or commit
};

struct SwitchInfo {
  std::string name, doc;
  bool is_bool = true;
};

struct Difference {
  std::string name;
  Cell before, after;
};

const std::vector<std::string>& versions();  // ascending: "5.4" ... "6.19"
bool has_version(std::string_view version);
std::string previous_version(std::string_view version);  // "" for the first
const std::vector<SwitchInfo>& switch_list();            // in the order of switches.def

// Both require has_version(version).
Switches switches_of(std::string_view version);
Cell cell(std::string_view version, std::string_view switch_name);

// Switches whose value differs between two versions' tables.
std::vector<Difference> differences(std::string_view from, std::string_view to);

struct Resolution {
  std::string version;    // table to use
  std::string requested;  // as the user wrote it
  std::string assumed;    // the assume string when it decided, else ""
};
struct Unresolved {
  std::string message, suggestion;
};
// "v6.12", "6.12", "6.12.30", "6.1.0-18-cloud-amd64", "6.8.0-1015-aws". `assume` non-empty wins over `requested`.
tl::expected<Resolution, Unresolved> resolve(std::string_view requested, std::string_view assume = {});

// A switch by name, as text ("true", "700000"). set_switch says what is wrong with the text, "" when it was set.
std::string get_switch(const Switches& s, std::string_view name);
std::string set_switch(Switches& s, std::string_view name, std::string_view text);
bool has_switch(std::string_view name);
std::vector<std::string> changed_switches(const Switches& s, std::string_view version);  // "name=value"

}  // namespace wakepath::kernel
