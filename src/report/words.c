/* Plain words for numbers, operations, morphisms and candidates. */
#include "words.h"

#include <nash/text.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#define DASH "\u2013"
#define TIMES "\u00d7"

/* ---- numbers ------------------------------------------------------------ */

const char *ni_percent(char word[NI_WORD], double share)
{
    if (isfinite(share))
        snprintf(word, NI_WORD, "%.2f %%", 100 * share);
    else
        snprintf(word, NI_WORD, DASH);
    return word;
}

const char *ni_decimal(char word[NI_WORD], double value)
{
    if (isfinite(value))
        snprintf(word, NI_WORD, "%.3f", value);
    else
        snprintf(word, NI_WORD, DASH);
    return word;
}

const char *ni_count(char word[NI_WORD], double count)
{
    nash_count_words(word, NI_WORD, count);
    return word;
}

const char *ni_duration(char word[NI_WORD], double seconds)
{
    nash_time_words(word, NI_WORD, seconds);
    return word;
}

const char *ni_shape(char word[NI_WORD], nash_shape shape)
{
    if (shape.h == 1 && shape.w == 1)
        snprintf(word, NI_WORD, "%d", shape.c);
    else
        snprintf(word, NI_WORD, "%d " TIMES " %d " TIMES " %d", shape.c,
                 shape.h, shape.w);
    return word;
}

/* ---- operations --------------------------------------------------------- */

static const char *op_words(nash_op op)
{
    switch (op) {
    case NASH_OP_INPUT:
        return "Image";
    case NASH_OP_NORMALIZE:
        return "Normalize";
    case NASH_OP_CONV:
        return "Conv";
    case NASH_OP_BATCH_NORM:
        return "BN";
    case NASH_OP_RELU:
        return "ReLU";
    case NASH_OP_CLIP:
        return "Clip";
    case NASH_OP_MAX_POOL:
        return "Max pool";
    case NASH_OP_AVG_POOL:
        return "Average pool";
    case NASH_OP_GLOBAL_POOL:
        return "Global pool";
    case NASH_OP_FLATTEN:
        return "Flatten";
    case NASH_OP_FC:
        return "FC";
    case NASH_OP_CONCAT:
        return "Concat";
    case NASH_OP_ADD:
        return "Add";
    case NASH_OP_GATE:
        return "Gate";
    case NASH_OP_SOFTMAX:
        return "Softmax";
    case NASH_OP_COUNT:
        break;
    }
    return "?";
}

/* " 3x3", and only where it is not plain: stride, dilation, groups. */
static void window_words(char word[NI_WORD], const nash_attrs *a)
{
    int n =
        snprintf(word, NI_WORD, " %d" TIMES "%d", a->kernel[0], a->kernel[1]);
    if (a->stride[0] != a->stride[1])
        n += snprintf(word + n, (size_t)(NI_WORD - n), "/%d,%d", a->stride[0],
                      a->stride[1]);
    else if (a->stride[0] != 1)
        n += snprintf(word + n, (size_t)(NI_WORD - n), "/%d", a->stride[0]);
    if (a->dilation[0] != 1 || a->dilation[1] != 1)
        n += snprintf(word + n, (size_t)(NI_WORD - n), " dil %d,%d",
                      a->dilation[0], a->dilation[1]);
    if (a->groups > 1)
        snprintf(word + n, (size_t)(NI_WORD - n), " grp %d", a->groups);
}

void nash_node_describe(char *text, size_t size_bytes, const nash_graph *g,
                        int32_t id)
{
    const nash_node *node = nash_graph_node(g, id);
    char window[NI_WORD] = "";
    if (node->attrs.kernel[0] > 0)
        window_words(window, &node->attrs);
    if (node->op == NASH_OP_CLIP)
        snprintf(window, sizeof window, " %g .. %g", (double)node->attrs.low,
                 (double)node->attrs.high);
    snprintf(text, size_bytes, "%s%s", op_words(node->op), window);
}

/* ---- morphisms ---------------------------------------------------------- */

/* The value of ",key=VALUE" in a morphism's text form, or @p otherwise. */
static void read_part(char value[NI_WORD], const char *text, const char *key,
                      const char *otherwise)
{
    size_t length = strlen(key);
    const char *at = strchr(text, ':');
    snprintf(value, NI_WORD, "%s", otherwise);
    while (at) {
        at++;
        if (strncmp(at, key, length) == 0 && at[length] == '=') {
            at += length + 1;
            snprintf(value, NI_WORD, "%.*s", (int)strcspn(at, ","), at);
            return;
        }
        at = strchr(at, ',');
    }
}

/* The kind that a text form names, or NASH_MORPH_COUNT. */
static nash_morph_kind read_kind(const char *text)
{
    size_t length = strcspn(text, ":");
    int kind = 0;
    for (; kind < NASH_MORPH_COUNT; kind++) {
        const char *name = nash_morph_name((nash_morph_kind)kind);
        if (strlen(name) == length && strncmp(name, text, length) == 0)
            break;
    }
    return (nash_morph_kind)kind;
}

static const char *mode_words(const char *mode)
{
    if (strcmp(mode, "fresh") == 0)
        return "fresh weights";
    if (strcmp(mode, "pair") == 0)
        return "fresh twins";
    if (strcmp(mode, "noise") == 0)
        return "copies with noise";
    return "copies";
}

void nash_morph_words(char *words, size_t size_bytes, const char *text)
{
    char at[NI_WORD], from[NI_WORD], kernel[NI_WORD];
    char factor[NI_WORD], mode[NI_WORD];
    read_part(at, text, "at", "?");
    read_part(from, text, "from", "?");
    read_part(kernel, text, "kernel", "3");
    read_part(factor, text, "factor", "2");
    read_part(mode, text, "mode", "copy");
    switch (read_kind(text)) {
    case NASH_MORPH_CONV:
        snprintf(words, size_bytes,
                 "insert an identity %s" TIMES "%s convolution after %s",
                 kernel, kernel, at);
        break;
    case NASH_MORPH_FC:
        snprintf(words, size_bytes,
                 "insert an identity fully connected layer after %s", at);
        break;
    case NASH_MORPH_BATCH_NORM:
        snprintf(words, size_bytes, "insert a batch normalisation after %s",
                 at);
        break;
    case NASH_MORPH_WIDEN:
        snprintf(words, size_bytes, "widen %s " TIMES "%s (%s)", at, factor,
                 mode_words(mode));
        break;
    case NASH_MORPH_CONCAT_SKIP:
        snprintf(words, size_bytes, "concatenate %s to %s", from, at);
        break;
    case NASH_MORPH_RELU:
        snprintf(words, size_bytes, "insert a ReLU after %s", at);
        break;
    case NASH_MORPH_GATE:
        snprintf(words, size_bytes,
                 "gate a fresh %s" TIMES "%s branch in beside %s", kernel,
                 kernel, at);
        break;
    case NASH_MORPH_ADD_SKIP:
        snprintf(words, size_bytes, "add %s to %s through a gate", from, at);
        break;
    case NASH_MORPH_DEEPEN:
        snprintf(words, size_bytes,
                 "deepen after %s: %s" TIMES "%s Conv-BN-ReLU", at, kernel,
                 kernel);
        break;
    case NASH_MORPH_COUNT:
        snprintf(words, size_bytes, "%s", text);
        break;
    }
}

/* ---- candidates --------------------------------------------------------- */

void nash_candidate_label(char *text, size_t size_bytes,
                          const nash_record *record)
{
    snprintf(text, size_bytes, "?"); /* for a kind outside the list */
    switch (record->kind) {
    case NASH_CANDIDATE_START:
        snprintf(text, size_bytes, "start");
        break;
    case NASH_CANDIDATE_CHILD:
    case NASH_CANDIDATE_PARENT:
        snprintf(text, size_bytes, "%d-%d", record->step, record->child);
        break;
    case NASH_CANDIDATE_FINAL:
        snprintf(text, size_bytes, "final");
        break;
    }
}
