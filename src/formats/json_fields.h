#pragma once
// In:  one JSON object of a model file, and where it stands ("nano/changepilot.json, head").
// Out: its fields by name, each checked; finish() refuses what nobody asked for.
// Not here: single values without such a guard (core/json.h).

#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/json.h"

namespace cp {

class JsonFields {
 public:
  // Refers to `object`, which must outlive it. Throws UserError(model), as all members do.
  JsonFields(const Json& object, std::string where);

  const std::string& where() const { return where_; }
  bool has(const std::string& key) const { return object_.contains(key); }
  bool used(const std::string& key) const { return used_.count(key) != 0; }  // was asked for
  const Json& any(const std::string& key);
  JsonFields object(const std::string& key);
  std::string text(const std::string& key);                                         // not empty
  std::string choice(const std::string& key, const std::vector<std::string>& all);  // one of `all`
  int whole(const std::string& key, int low, int high = std::numeric_limits<int>::max());
  double number(const std::string& key, double low, double high);  // inclusive
  bool boolean(const std::string& key);
  std::vector<int> whole_list(const std::string& key, int low, int high);
  std::vector<std::string> text_list(const std::string& key);
  std::map<std::string, std::string> text_map(const std::string& key);

  void finish() const;  // throws when the object holds a key that was not asked for
  [[noreturn]] void refuse(const std::string& key, const std::string& what, const std::string& hint = "") const;

 private:
  const Json& object_;
  std::string where_;
  std::set<std::string> used_;
};

}  // namespace cp
