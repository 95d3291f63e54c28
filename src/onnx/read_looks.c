/*
 * Models of several looks, as write_looks.c writes them: Slices of the image
 * and of the image with its border repeated, and a Concat before everything
 * else, Reshape and ReduceMean behind the softmax. Whatever else slices or
 * joins along the batch is refused.
 */
#include "reader.h"

#include <string.h>

/* ---- slices -------------------------------------------------------------- */

/* Of one dimension; an end of INT64_MAX is behind the last. */
typedef struct cut {
    int64_t start, end, step;
} cut;

/* The cuts of all four dimensions. */
static nash_status read_cuts(cut cuts[4], const ni_reader *r,
                             const ni_pb_node *node)
{
    nash_status status = NASH_OK;
    int64_t start[4], end[4], axis[4] = {0, 1, 2, 3}, step[4] = {1, 1, 1, 1};
    int32_t n, n_ends, n_axes, n_steps;
    bool is_cut[4] = {false};
    TRY(ni_reader_list(start, &n, 4, r, node, "starts", 1));
    TRY(ni_reader_list(end, &n_ends, 4, r, node, "ends", 2));
    TRY(ni_reader_list(axis, &n_axes, 4, r, node, "axes", 3));
    TRY(ni_reader_list(step, &n_steps, 4, r, node, "steps", 4));
    REQUIRE(n >= 1 && n_ends == n && (n_axes == n || n_axes < 0) &&
                (n_steps == n || n_steps < 0),
            NASH_EFORMAT, "its starts, ends, axes and steps are not as many");
    for (int32_t i = 0; i < 4; i++)
        cuts[i] = (cut){0, INT64_MAX, 1};
    for (int32_t i = 0; i < n; i++) {
        REQUIRE(axis[i] >= -4 && axis[i] < 4, NASH_EFORMAT,
                "it cuts axis %lld of four", (long long)axis[i]);
        int64_t k = axis[i] < 0 ? axis[i] + 4 : axis[i];
        REQUIRE(!is_cut[k], NASH_EFORMAT, "it cuts axis %lld twice",
                (long long)k);
        is_cut[k] = true;
        cuts[k] = (cut){start[i], end[i], step[i]};
    }
done:
    return status;
}

static bool keeps_all(const cut *c, int64_t size)
{
    return c->start == 0 && c->end >= size && c->step == 1;
}

static bool reverses(const cut *c, int64_t size)
{
    return (c->start == -1 || c->start >= size - 1) && c->end < -size &&
           c->step == -1;
}

/* By how much a dimension of the image with a margin of one is shifted, -1 or
 * 1; 0: it is another cut. */
static int shift_of(const cut *c, int64_t size)
{
    int64_t end = c->end < 0 ? c->end + size + 2 : c->end;
    if (c->step == 1 && c->start == 0 && end == size)
        return -1;
    return c->step == 1 && c->start == 2 && end >= size + 2 ? 1 : 0;
}

static bool is_image(const ni_value *value)
{
    return value && value->kind == NI_VALUE_TENSOR && value->id == 0 &&
           value->rank == 4;
}

/* Whether the cuts of a value give a look at the image, and which. */
static bool is_look(ni_look *look, const ni_value *input, const cut cuts[4],
                    nash_shape image)
{
    *look = (ni_look){false, 0};
    if (!keeps_all(&cuts[0], INT64_MAX) || !keeps_all(&cuts[1], image.c))
        return false;
    if (input->kind == NI_VALUE_MARGIN) {
        look->shift = shift_of(&cuts[2], image.h);
        return look->shift != 0 && shift_of(&cuts[3], image.w) == look->shift;
    }
    if (input->kind == NI_VALUE_LOOK && !input->look.mirrored)
        look->shift = input->look.shift;
    else if (!is_image(input))
        return false;
    look->mirrored = true;
    return keeps_all(&cuts[2], image.h) && reverses(&cuts[3], image.w);
}

NI_READ(slice)
{
    nash_status status = NASH_OK;
    ni_value *input = ni_reader_input(r, node, 0);
    ni_value *output = ni_reader_output(r, node);
    cut cuts[4];
    if (!input ||
        (input->kind != NI_VALUE_MARGIN && input->kind != NI_VALUE_LOOK))
        TRY(ni_reader_tensor(&input, r, node, 0, 4));
    TRY(read_cuts(cuts, r, node));
    REQUIRE(is_look(&output->look, input, cuts, ni_reader_shape(r, 0)),
            NASH_EUNSUPPORTED,
            "it cuts a tensor, expected at most the image's mirroring, or its "
            "shift by a pixel");
    output->kind = NI_VALUE_LOOK;
done:
    return status;
}

bool ni_read_margin(ni_reader *r, const ni_pb_node *node, const ni_value *input,
                    const int64_t pads[8])
{
    static const int64_t one[8] = {0, 0, 1, 1, 0, 0, 1, 1};
    if (!is_image(input) || memcmp(pads, one, sizeof one) != 0)
        return false;
    ni_reader_output(r, node)->kind = NI_VALUE_MARGIN;
    return true;
}

/* ---- their batch and their mean ------------------------------------------ */

/* Whether a concatenation joins these looks, in the order of write_looks.c. */
static bool joins(const ni_reader *r, const ni_pb_node *node, nash_looks looks)
{
    static const int shifts[] = {0, -1, 1};
    int32_t n = nash_looks_count(looks);
    if (n < 2 || node->n_input != (size_t)n ||
        !is_image(ni_reader_input(r, node, 0)))
        return false;
    for (int32_t i = 1; i < n; i++) {
        const ni_value *value = ni_reader_input(r, node, (size_t)i);
        int shift = looks.shifted ? shifts[i % 3] : 0;
        if (!value || value->kind != NI_VALUE_LOOK ||
            value->look.mirrored != (looks.mirrored && i >= n / 2) ||
            value->look.shift != shift)
            return false;
    }
    return true;
}

/* The image must have no other readers, since all that follows sees looks. */
nash_status ni_read_looks(ni_reader *r, const ni_pb_node *node)
{
    nash_status status = NASH_OK;
    const nash_looks looks = {.mirrored = node->n_input % 2 == 0,
                              .shifted = node->n_input % 3 == 0};
    int32_t readers = 1 + looks.mirrored + looks.shifted; /* if they are all */
    ni_value *image = ni_reader_input(r, node, 0);
    REQUIRE(joins(r, node, looks) && image->readers == readers &&
                nash_looks_count(r->looks) == 1,
            NASH_EUNSUPPORTED,
            "it joins along the batch, expected at most the image and looks at "
            "it, mirrored or shifted by a pixel");
    image->readers = 0;
    ni_reader_set_alias(r, node, image);
    image->readers++;
    r->looks = looks;
done:
    return status;
}

bool ni_read_by_look(ni_reader *r, const ni_pb_node *node,
                     const ni_value *input, const ni_constant *target)
{
    int64_t dims[3];
    int32_t n = nash_looks_count(r->looks);
    if (n == 1 || r->averaged || target->count != 3 || input->rank != 2 ||
        input->readers != 1 ||
        nash_graph_node(r->graph, input->id)->op != NASH_OP_SOFTMAX)
        return false;
    ni_constant_ints(dims, target);
    if (dims[0] != n || dims[1] != -1 ||
        dims[2] != ni_reader_shape(r, input->id).c)
        return false;
    ni_value *output = ni_reader_output(r, node);
    output->kind = NI_VALUE_BY_LOOK;
    output->id = input->id;
    return true;
}

nash_status ni_read_mean_of_looks(ni_reader *r, const ni_pb_node *node)
{
    nash_status status = NASH_OK;
    const ni_value *by_look = ni_reader_input(r, node, 0);
    int64_t axis, keep;
    int32_t n;
    TRY(ni_reader_list(&axis, &n, 1, r, node, "axes", 1));
    TRY(ni_attribute_int(&keep, node, "keepdims", 1));
    REQUIRE(n == 1 && axis == 0 && keep == 0, NASH_EUNSUPPORTED,
            "it takes another mean than over the looks at an image");
    ni_reader_set_tensor(r, node, by_look->id, 2);
    r->averaged = true;
done:
    return status;
}
