// The query string of a request: each parameter is taken by name, and what is wrong with any of them
// is collected, so that one answer names everything.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace runlog {

// What is wrong with one parameter, as ObjectStack's FieldError: its codes are a closed set.
struct FieldProblem {
  std::string field;
  std::string code;     // invalid_type, invalid_option, invalid_number, min_value, …
  std::string message;  // a whole sentence without its full stop
};

// Text with its %XX decoded, and '+' as a blank if `plus_is_blank`; nullopt for a broken escape or
// bytes that are not UTF-8.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_blank);

class QueryString {
 public:
  // Malformed parameters become problems.
  explicit QueryString(std::string_view text);

  // The value of a parameter that may be there once; nullopt if it is missing or a problem.
  std::optional<std::string> once(std::string_view name);
  // The same, where an empty value means that nothing was asked for.
  std::optional<std::string> once_or_empty(std::string_view name);
  // All values of one that may be repeated.
  std::vector<std::string> all(std::string_view name);
  // A whole number from `least` to `most`; nullopt if it is missing, empty or a problem.
  std::optional<std::uint64_t> number(std::string_view name, std::uint64_t least,
                                      std::uint64_t most);
  // Every parameter that was not taken becomes a problem: a misspelt condition would answer another
  // question.
  void refuse_others();

  void add_problem(std::string_view field, std::string_view code, std::string message);
  const std::vector<FieldProblem>& problems() const { return problems_; }

 private:
  struct Parameter {
    std::string name, value;
    bool taken = false;
  };
  void parse(std::string_view piece);

  std::vector<Parameter> parameters_;
  std::vector<FieldProblem> problems_;
};

}  // namespace runlog
