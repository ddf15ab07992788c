// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/cluster/fleet.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <unordered_set>

namespace wakepath::cluster {

using json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

namespace {
constexpr std::size_t kPiece = 256;  // messages that a node alone is given at a time

double seconds_since(Clock::time_point t) { return std::chrono::duration<double>(Clock::now() - t).count(); }
}  // namespace

Fleet::Fleet(ClusterConf conf, int threads) : conf_(std::move(conf)) {
  const int nodes = static_cast<int>(conf_.nodes.size());
  if (conf_.has_log) place_partitions();
  Network::Setup setup;
  setup.platform = conf_.platform;
  setup.named_by = {conf_.file, conf_.platform_line, {}, {}};
  setup.simgrid = conf_.simgrid;
  setup.retry = conf_.retry_ns;
  setup.until = conf_.warmup_ns + conf_.duration_ns;
  for (int i = 0; i < nodes; ++i) {
    NodeConf& n = conf_.nodes[static_cast<std::size_t>(i)];
    setup.endpoints.push_back({n.host, {conf_.file, n.host_line, {}, {}}});
    if (n.disk.empty()) continue;
    n.disk_index = static_cast<int>(setup.disks.size());
    setup.disks.push_back({n.disk, {conf_.file, n.disk_line, {}, {}}, i});
  }
  for (const auto& c : conf_.clients) setup.endpoints.push_back({c.host, {conf_.file, c.host_line, {}, {}}});
  const int endpoints = static_cast<int>(setup.endpoints.size());
  for (int a = 0; a < endpoints && conf_.has_log; ++a)
    for (int b = 0; b < endpoints; ++b)
      if (a != b && (a < nodes || b < nodes)) setup.pairs.emplace_back(a, b);
  network_ = std::make_unique<Network>(setup);
  window_ns_ = network_->max_window();
  if (conf_.window_ns > window_ns_)
    throw scenario::Error{conf_.file, 0,
                          "run.window is wider than the shortest latency, " + std::to_string(window_ns_) + " ns",
                          "leave it out, or lower it"};
  if (conf_.window_ns > 0) window_ns_ = conf_.window_ns;
  network_->set_window(window_ns_);
  crew_ = std::make_unique<Crew>(static_cast<std::size_t>(std::clamp(threads, 1, nodes)),
                                 conf_.nodes.size() + conf_.clients.size());
  nodes_.resize(conf_.nodes.size());
  crew_->run([&](std::size_t i, std::size_t) {  // each thread has its own in its memory
    if (i >= nodes_.size()) return;
    nodes_[i] = std::make_unique<Node>(conf_.nodes[i], conf_, partitions_, static_cast<int>(i));
    nodes_[i]->boot(0);
  });
  for (std::size_t i = 0; i < conf_.clients.size(); ++i)
    clients_.push_back(std::make_unique<Client>(conf_.clients[i], conf_, partitions_, nodes + static_cast<int>(i),
                                                static_cast<int>(i)));
}

Fleet::~Fleet() = default;

// Copies on consecutive nodes, leaders spread evenly.
void Fleet::place_partitions() {
  const int nodes = static_cast<int>(conf_.nodes.size());
  for (int p = 0; p < conf_.log.partitions; ++p) {
    Partition part;
    for (int r = 0; r < conf_.log.replicas; ++r) part.replicas.push_back((p + r) % nodes);
    part.first_leader = part.replicas.front();
    partitions_.push_back(std::move(part));
  }
}

void Fleet::host_changed(const Network::HostChange& c) {
  const bool is_node = c.endpoint < static_cast<int>(nodes_.size());
  const auto i = static_cast<std::size_t>(c.endpoint);
  changes_.push_back(
      {{"t_ns", c.at}, {"host", is_node ? conf_.nodes[i].host : conf_.clients[i - nodes_.size()].host}, {"up", c.up}});
  if (!is_node) return;
  Node& node = *nodes_[i];
  if (c.up && !node.up()) {
    node.boot(c.at);
    if (measuring_) node.begin_window();
  } else if (!c.up) {
    node.lose_power();
  }
}

// Nodes and clients to `to`, with what has arrived by then, which is taken off `arrived`; nothing changes on the way.
void Fleet::advance(Time to, std::span<Network::Arrived>& arrived) {
  std::size_t n = 0;
  for (; n < arrived.size() && arrived[n].at <= to; ++n) {
    const auto i = static_cast<std::size_t>(arrived[n].to);
    if (i < nodes_.size() && !nodes_[i]->up())
      continue;  // the connection is gone with it; it asks for what it lacks when it is back, and clients ask again
    prefetch_lines<1>(arrived[n].message.get());
    inbox_[i].push_back({arrived[n].at, std::move(arrived[n].message)});
  }
  arrived = arrived.subspan(n);
  crew_->run([&](std::size_t i, std::size_t) {
    if (i >= nodes_.size()) {
      clients_[i - nodes_.size()]->advance(to, inbox_[i], sent_[i]);
    } else {
      if (keep_)
        for (const Arrival& a : inbox_[i]) {
          kept_[i].push_back(*a.message);
          kept_[i].back().arrived = a.at;
        }
      nodes_[i]->advance(to, inbox_[i], sent_[i]);
    }
    inbox_[i].clear();
  });
  now_ = to;
}

void Fleet::hand_over() {
  for (auto& sent : sent_) {
    for (Parcel& p : sent) network_->send(std::move(p));
    sent.clear();
  }
}

void Fleet::begin_window() {
  measuring_ = true;
  for (auto& n : nodes_) n->begin_window();
  for (auto& c : clients_) c->begin_window();
}

void Fleet::run(const std::function<bool(double)>& progress) {
  const auto wall = Clock::now();
  const Time total = conf_.warmup_ns + conf_.duration_ns;
  inbox_.resize(nodes_.size() + clients_.size());
  sent_.resize(inbox_.size());
  kept_.resize(nodes_.size());
  std::vector<Network::HostChange> changes;
  if (conf_.warmup_ns == 0) begin_window();
  while (now_ < total) {
    const Time to =
        std::min({now_ + window_ns_, now_ < conf_.warmup_ns ? conf_.warmup_ns : total, network_->next_change(now_)});
    std::span arrived = network_->advance(to, changes);
    // A host goes and comes at its own time, however wide the window is.
    auto change = changes.begin();
    while (now_ < to) {
      Time next = to;
      if (change != changes.end()) next = std::min(next, std::max(now_, change->at));
      if (next > now_) advance(next, arrived);
      for (; change != changes.end() && change->at <= now_; ++change) host_changed(*change);
    }
    for (; change != changes.end(); ++change) host_changed(*change);
    changes.clear();
    hand_over();
    ++windows_;
    if (now_ == conf_.warmup_ns) begin_window();
    if (progress && windows_ % 256 == 0 && !progress(static_cast<double>(now_) / static_cast<double>(total))) {
      stopped_ = true;
      break;
    }
  }
  measured_ns_ = std::max<Time>(0, now_ - conf_.warmup_ns);
  for (auto& n : nodes_) n->end_window();
  wall_s_ = seconds_since(wall);
}

// By as many threads as in the fleet; the one with most to do counts.
void Fleet::run_alone() {
  std::vector<double> seconds(crew_->members());
  crew_->run([&](std::size_t i, std::size_t member) {
    if (i < nodes_.size()) seconds[member] += run_alone(i);
  });
  alone_wall_s_ = *std::max_element(seconds.begin(), seconds.end());
}

// A node with what reached it, in one go from boot to end. How long its own part takes.
double Fleet::run_alone(std::size_t i) {
  Node node(conf_.nodes[i], conf_, partitions_, static_cast<int>(i));
  double seconds = 0;
  auto next = kept_[i].cbegin();
  // What reached it is laid ready a piece at a time, so that it is in the cache as it is in the fleet; not counted.
  const auto advance = [&](Time until) {
    std::vector<Arrival> arrivals;
    std::vector<Parcel> sent;
    for (bool more = true; more;) {
      const Time to =
          static_cast<std::size_t>(kept_[i].cend() - next) > kPiece ? std::min(until, next[kPiece].arrived - 1) : until;
      arrivals.clear();
      for (; next != kept_[i].cend() && next->arrived <= to; ++next)
        arrivals.push_back({next->arrived, std::make_unique<Message>(*next)});
      sent.clear();
      const auto wall = Clock::now();
      node.advance(to, arrivals, sent);
      seconds += seconds_since(wall);
      more = to < until;
    }
  };
  node.boot(0);
  advance(conf_.warmup_ns);
  node.begin_window();
  advance(now_);
  node.end_window();
  json here = nodes_[i]->result(), there = node.result();
  here.erase("engine"), there.erase("engine");  // how the way is cut into runs counts there
  if (here != there)
    throw std::logic_error("node " + conf_.nodes[i].name + " alone does something else than in its fleet");
  return seconds;
}

// Of those that think they lead, the one of the latest term; null: nobody.
const Node* Fleet::leader_of(std::size_t partition) const {
  const Node* leader = nullptr;
  std::int64_t term = 0;
  for (const int n : partitions_[partition].replicas) {
    const Node& node = *nodes_[static_cast<std::size_t>(n)];
    if (!node.up()) continue;
    const Raft& raft = node.raft(static_cast<int>(partition));
    if (raft.leads() && raft.term() > term) leader = &node, term = raft.term();
  }
  return leader;
}

std::uint64_t Fleet::missing() const {
  std::vector<std::unordered_set<std::uint64_t>> held(partitions_.size());
  for (std::size_t p = 0; p < partitions_.size(); ++p) {
    const auto hold = [&](const Node& n) {
      for (const auto& e : n.replica(static_cast<int>(p)).entries()) held[p].insert(e.record);
    };
    if (const Node* leader = leader_of(p))
      hold(*leader);
    else  // none is elected at the end: what is durable anywhere is what can come back
      for (const int n : partitions_[p].replicas) hold(*nodes_[static_cast<std::size_t>(n)]);
  }
  std::uint64_t missing = 0;
  for (const auto& c : clients_)
    for (const auto& a : c->acknowledged()) missing += !held[static_cast<std::size_t>(a.partition)].contains(a.record);
  return missing;
}

namespace {

json percentiles(std::vector<Time> v) {
  std::sort(v.begin(), v.end());
  const auto rank = [&](std::int64_t per_mille) -> Time {
    if (v.empty()) return 0;
    const auto n = static_cast<std::int64_t>(v.size());
    return v[static_cast<std::size_t>(std::max<std::int64_t>(1, (n * per_mille + 999) / 1000) - 1)];
  };
  double sum = 0;
  for (const Time t : v) sum += static_cast<double>(t);
  return {{"mean", v.empty() ? 0.0 : sum / static_cast<double>(v.size())},
          {"p50", rank(500)},
          {"p90", rank(900)},
          {"p99", rank(990)},
          {"p999", rank(999)},
          {"max", v.empty() ? 0 : v.back()}};
}

}  // namespace

json Fleet::produce_json(double seconds) const {
  std::uint64_t sent = 0, acknowledged = 0, refused = 0, again = 0, under_way = 0;
  std::vector<Time> latencies;
  for (const auto& c : clients_) {
    const auto& w = c->window();
    sent += w.sent, acknowledged += w.acknowledged, refused += w.refused, again += w.timeouts;
    under_way += c->under_way();
    for (const auto& a : w.answers) latencies.push_back(a.latency);
  }
  return {{"per_s", static_cast<double>(acknowledged) / seconds},
          {"acknowledged", acknowledged},
          {"sent", sent},
          {"refused", refused},
          {"sent_again", again},
          {"under_way_at_end", under_way},
          {"missing", missing()},
          {"latency_ns", percentiles(std::move(latencies))}};
}

// Where the time of all records went, and of the slowest hundredth: by node and part. Adds up to the mean latency.
json Fleet::tail_json() const {
  std::vector<const Client::Answer*> all;
  for (const auto& c : clients_)
    for (const auto& a : c->window().answers) all.push_back(&a);
  std::stable_sort(all.begin(), all.end(), [](const auto* a, const auto* b) { return a->latency > b->latency; });
  const auto part = [&](std::size_t n) {
    struct Sum {
      double wait = 0, submit = 0, device = 0, completion = 0;
      std::uint64_t decided = 0;
    };
    std::vector<Sum> sums(nodes_.size());
    double network = 0, retry = 0, total = 0;
    const auto add = [&](const Share& s) {
      if (s.node < 0) return;
      Sum& sum = sums[static_cast<std::size_t>(s.node)];
      sum.wait += static_cast<double>(s.wait), sum.submit += static_cast<double>(s.submit);
      sum.device += static_cast<double>(s.device), sum.completion += static_cast<double>(s.completion);
    };
    for (std::size_t i = 0; i < n; ++i) {
      const Shares& s = all[i]->shares;
      network += static_cast<double>(s.network), retry += static_cast<double>(s.retry);
      total += static_cast<double>(all[i]->latency);
      add(s.leader), add(s.decider);
      ++sums[static_cast<std::size_t>(s.decider.node < 0 ? s.leader.node : s.decider.node)].decided;
    }
    const double count = n > 0 ? static_cast<double>(n) : 1;
    Sum whole;
    json by_node = json::array();
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const Sum& s = sums[i];
      whole.wait += s.wait, whole.submit += s.submit, whole.device += s.device, whole.completion += s.completion;
      by_node.push_back({{"name", conf_.nodes[i].name},
                         {"wait_ns", s.wait / count},
                         {"submit_ns", s.submit / count},
                         {"device_ns", s.device / count},
                         {"completion_ns", s.completion / count},
                         {"scheduler_share", total > 0 ? (s.wait + s.completion) / total : 0.0},
                         {"decided_quorum", static_cast<double>(s.decided) / count}});
    }
    return json{{"records", n},
                {"mean_ns", total / count},
                {"network_ns", network / count},
                {"retry_ns", retry / count},
                {"scheduler_ns", (whole.wait + whole.completion) / count},
                {"work_ns", whole.submit / count},
                {"device_ns", whole.device / count},
                {"nodes", by_node}};
  };
  return {{"all", part(all.size())},
          {"slowest_1_percent", part(all.empty() ? 0 : std::max<std::size_t>(1, all.size() / 100))}};
}

json Fleet::result() const {
  const double seconds = std::max(1e-9, static_cast<double>(measured_ns_) * 1e-9);
  json r;
  r["schema"] = "wakepath.cluster/1";
  r["title"] = conf_.title;
  r["status"] = stopped_ ? "stopped" : "finished";
  r["duration_s"] = seconds;
  if (conf_.has_log) {
    r["produce"] = produce_json(seconds);
    r["where_time_went"] = tail_json();
  }
  r["nodes"] = json::array();
  for (const auto& n : nodes_) {
    r["nodes"].push_back(n->result());
    r["nodes"].back()["appended_per_s"] = static_cast<double>(n->appended) / seconds;
  }
  r["host_changes"] = changes_;
  std::uint64_t elections = 0;
  for (const auto& n : nodes_) elections += n->elections_won;
  r["elections"] = elections;
  const auto& c = network_->counters();
  r["network"] = {{"transfers", c.transfers}, {"bytes", c.bytes},       {"shared", c.shared},
                  {"cut_off", c.cut_off},     {"given_up", c.given_up}, {"disk_operations", c.disk_operations}};
  r["engine"] = {{"window_ns", window_ns_}, {"windows", windows_}, {"threads", crew_->members()}, {"wall_s", wall_s_}};
  if (alone_wall_s_ > 0) r["engine"]["alone_wall_s"] = alone_wall_s_;
  return r;
}

}  // namespace wakepath::cluster
