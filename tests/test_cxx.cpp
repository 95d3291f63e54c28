/* The headers in C++: they are read without a warning, and what they declare,
 * a function of each here, is found in the library. */
#include <nash/nash.h>

template <typename function> static bool is_there(function *f)
{
    function *volatile kept = f; /* or nothing would have to be linked */
    return kept != nullptr;
}

int main()
{
    nash_graph *g = nullptr;
    if (nash_graph_create(&g) != NASH_OK)
        return 1;
    nash_graph_free(g);
    return !(is_there(nash_batch_order) && is_there(nash_budget_macs) &&
             is_there(nash_dataset_close) && is_there(nash_candidate_exit) &&
             is_there(nash_log_set_hook) && is_there(nash_model_free) &&
             is_there(nash_morph_name) && is_there(nash_onnx_write) &&
             is_there(nash_plan_free) && is_there(nash_text_free) &&
             is_there(nash_count_words) &&
             is_there(nash_search_opts_default) &&
             is_there(nash_status_name) && is_there(nash_store_close) &&
             is_there(nash_train));
}
