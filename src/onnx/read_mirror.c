/*
 * Models that average over an image and its mirror image, as write_mirror.c
 * writes them: Slice and Concat before everything else, Reshape and ReduceMean
 * behind the softmax. Whatever else slices or joins along the batch is refused.
 */
#include "reader.h"

/* Whether a value is the network's input. */
static bool is_image(const ni_value *value)
{
    return value && value->kind == NI_VALUE_TENSOR && value->id == 0 &&
           value->rank == 4;
}

NI_READ(slice)
{
    nash_status status = NASH_OK;
    ni_value *input = NULL, *output = ni_reader_output(r, node);
    int64_t start[NI_MAX_RANK], end[NI_MAX_RANK];
    int64_t axis[NI_MAX_RANK], step[NI_MAX_RANK];
    int32_t n[4];
    TRY(ni_reader_tensor(&input, r, node, 0, 4));
    TRY(ni_reader_list(start, &n[0], NI_MAX_RANK, r, node, "starts", 1));
    TRY(ni_reader_list(end, &n[1], NI_MAX_RANK, r, node, "ends", 2));
    TRY(ni_reader_list(axis, &n[2], NI_MAX_RANK, r, node, "axes", 3));
    TRY(ni_reader_list(step, &n[3], NI_MAX_RANK, r, node, "steps", 4));
    int32_t width = ni_reader_shape(r, input->id).w;
    REQUIRE(is_image(input) && n[0] == 1 && n[1] == 1 && n[2] == 1 &&
                n[3] == 1 && (*axis == 3 || *axis == -1) && *step == -1 &&
                (*start == -1 || *start >= width - 1) && *end < -width,
            NASH_EUNSUPPORTED,
            "it cuts a tensor, expected at most the image's mirroring");
    output->kind = NI_VALUE_MIRRORED;
done:
    return status;
}

/* The image must have no other readers, since all that follows sees views. */
nash_status ni_read_views(ni_reader *r, const ni_pb_node *node)
{
    nash_status status = NASH_OK;
    ni_value *image = ni_reader_input(r, node, 0);
    const ni_value *mirror = ni_reader_input(r, node, 1);
    REQUIRE(node->n_input == 2 && is_image(image) && image->readers == 2 &&
                mirror && mirror->kind == NI_VALUE_MIRRORED &&
                mirror->readers == 1,
            NASH_EUNSUPPORTED,
            "it joins along the batch, expected at most the image and its "
            "mirror image");
    image->readers = 0;
    ni_reader_set_alias(r, node, image);
    image->readers++;
    r->mirrored = true;
done:
    return status;
}

bool ni_read_pairs(ni_reader *r, const ni_pb_node *node, const ni_value *input,
                   const ni_constant *target)
{
    int64_t dims[3];
    if (!r->mirrored || target->count != 3 || input->rank != 2 ||
        input->readers != 1 ||
        nash_graph_node(r->graph, input->id)->op != NASH_OP_SOFTMAX)
        return false;
    ni_constant_ints(dims, target);
    if (dims[0] != 2 || dims[1] != -1 ||
        dims[2] != ni_reader_shape(r, input->id).c)
        return false;
    ni_value *output = ni_reader_output(r, node);
    output->kind = NI_VALUE_PAIRED;
    output->id = input->id;
    return true;
}

nash_status ni_read_mean_of_pairs(ni_reader *r, const ni_pb_node *node)
{
    nash_status status = NASH_OK;
    const ni_value *pairs = ni_reader_input(r, node, 0);
    int64_t axis, keep;
    int32_t n;
    TRY(ni_reader_list(&axis, &n, 1, r, node, "axes", 1));
    TRY(ni_attribute_int(&keep, node, "keepdims", 1));
    REQUIRE(n == 1 && axis == 0 && keep == 0, NASH_EUNSUPPORTED,
            "it takes another mean than over an image and its mirror image");
    ni_reader_set_tensor(r, node, pairs->id, 2);
    r->averaged = true;
done:
    return status;
}
