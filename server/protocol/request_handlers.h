// One function for each request that a log answers; see requests.h.
#pragma once

#include "server/protocol/requests.h"

namespace runlog {

using Answer = Expected<std::string>;

Answer answer_get(const Question& question);
Answer answer_list(const Question& question);
Answer answer_count(const Question& question);
Answer answer_groups(const Question& question);
Answer answer_stats(const Question& question);
Answer answer_info(const Question& question);
Answer answer_trend(const Question& question);
// Those that terms and counts answer; looking into every run's times or message is long.
bool is_short_list(ReceivedMessage& message);
bool is_short_count(ReceivedMessage& message);

Answer answer_paused_save(const Question& question);
Answer answer_paused_load(const Question& question);
Answer answer_paused_delete(const Question& question);
Answer answer_paused_list(const Question& question);
Answer answer_paused_claim(const Question& question);
Answer answer_paused_complete(const Question& question);

Answer answer_pin(const Question& question);
Answer answer_unpin(const Question& question);
Answer answer_pins(const Question& question);
Answer answer_get_policy(const Question& question);
Answer answer_set_policy(const Question& question);
Answer answer_sweep(const Question& question);
Answer answer_hide_expired(const Question& question);
Answer answer_hidden(const Question& question);

Answer answer_backup(const Question& question);
Answer answer_forget(const Question& question);

}  // namespace runlog
