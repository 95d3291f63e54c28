/* Attributes of a node. Finding one is linear in the few that a node has. */
#include "attribute.h"

#include "names.h"

#include <string.h>

static const ni_pb_attribute *find(const ni_pb_node *node, const char *name)
{
    for (size_t i = 0; i < node->n_attribute; i++)
        if (node->attribute[i]->name &&
            strcmp(node->attribute[i]->name, name) == 0)
            return node->attribute[i];
    return NULL;
}

/* The type was not written before IR version 2. */
static nash_status find_typed(const ni_pb_attribute **out,
                              const ni_pb_node *node, const char *name,
                              int type)
{
    *out = find(node, name);
    if (*out && (*out)->has_type && (int)(*out)->type != type &&
        (int)(*out)->type != NI_ATTRIBUTE_UNDEFINED)
        return ni_fail(NASH_EFORMAT,
                       "attribute \"%s\" has type %d, expected type %d", name,
                       (int)(*out)->type, type);
    return NASH_OK;
}

bool ni_attribute_exists(const ni_pb_node *node, const char *name)
{
    return find(node, name) != NULL;
}

nash_status ni_attribute_int(int64_t *out, const ni_pb_node *node,
                             const char *name, int64_t fallback)
{
    const ni_pb_attribute *found;
    nash_status status = find_typed(&found, node, name, NI_ATTRIBUTE_INT);
    if (status == NASH_OK)
        *out = found ? found->i : fallback;
    return status;
}

nash_status ni_attribute_float(float *out, const ni_pb_node *node,
                               const char *name, float fallback)
{
    const ni_pb_attribute *found;
    nash_status status = find_typed(&found, node, name, NI_ATTRIBUTE_FLOAT);
    if (status == NASH_OK)
        *out = found ? found->f : fallback;
    return status;
}

nash_status ni_attribute_ints(const int64_t **values, size_t *n,
                              const ni_pb_node *node, const char *name)
{
    static const int64_t none[1] = {0};
    const ni_pb_attribute *found;
    nash_status status = find_typed(&found, node, name, NI_ATTRIBUTE_INTS);
    *values = NULL;
    *n = 0;
    if (status != NASH_OK || !found)
        return status;
    *values = found->n_ints ? found->ints : none;
    *n = found->n_ints;
    return NASH_OK;
}

nash_status ni_attribute_floats(const float **values, size_t *n,
                                const ni_pb_node *node, const char *name)
{
    static const float none[1] = {0};
    const ni_pb_attribute *found;
    nash_status status = find_typed(&found, node, name, NI_ATTRIBUTE_FLOATS);
    *values = NULL;
    *n = 0;
    if (status != NASH_OK || !found)
        return status;
    *values = found->n_floats ? found->floats : none;
    *n = found->n_floats;
    return NASH_OK;
}

nash_status ni_attribute_tensor(const ni_pb_tensor **tensor,
                                const ni_pb_node *node, const char *name)
{
    const ni_pb_attribute *found;
    nash_status status = find_typed(&found, node, name, NI_ATTRIBUTE_TENSOR);
    *tensor = NULL;
    if (status != NASH_OK || !found)
        return status;
    if (!found->t)
        return ni_fail(NASH_EFORMAT, "attribute \"%s\" holds no tensor", name);
    *tensor = found->t;
    return NASH_OK;
}

nash_status ni_attribute_differs(bool *differs, const ni_pb_node *node,
                                 const char *name, const char *expected)
{
    const ni_pb_attribute *found;
    nash_status status = find_typed(&found, node, name, NI_ATTRIBUTE_STRING);
    size_t length = strlen(expected);
    *differs = status == NASH_OK && found &&
               (found->s.len != length ||
                (length && memcmp(found->s.data, expected, length) != 0));
    return status;
}

static bool is_listed(const char *name, const char *known)
{
    size_t length = strlen(name);
    for (const char *at = known; *at;) {
        size_t word = strcspn(at, " ");
        if (word == length && memcmp(at, name, word) == 0)
            return true;
        at += word;
        at += strspn(at, " ");
    }
    return false;
}

nash_status ni_attribute_check(const ni_pb_node *node, const char *known)
{
    for (size_t i = 0; i < node->n_attribute; i++) {
        const ni_pb_attribute *attribute = node->attribute[i];
        const char *name = attribute->name ? attribute->name : "";
        if (attribute->ref_attr_name && *attribute->ref_attr_name)
            return ni_fail(NASH_EUNSUPPORTED,
                           "attribute \"%s\" refers to a function's",
                           ni_onnx_print(name).text);
        if (!is_listed(name, known))
            return ni_fail(NASH_EUNSUPPORTED,
                           "attribute \"%s\" is none of those known: %s",
                           ni_onnx_print(name).text, known);
    }
    return NASH_OK;
}
