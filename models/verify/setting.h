// SPDX-License-Identifier: GPL-2.0-or-later
// The setting of a recording as JSON -> what a Follower needs. Python checked what users write; what is wrong here is
// told in one line all the same.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "models/verify/follower.h"
#include "models/verify/placement.h"

namespace wakepath::verify {

struct Settings {
  std::string version;
  Setting base;
  std::optional<Setting> changed;
  std::vector<PinnedTasks> pinned;
  int hz = 250;
};

[[nodiscard]] tl::expected<Settings, std::string> settings_of(const std::string& json_text);

}  // namespace wakepath::verify
