/*
 * A look at the raw bytes before protobuf-c parses them: it recurses without
 * limit, merges repeated messages in quadratic time, and spends some hundred
 * bytes on a field of two. Costs one pass, skipping over tensors' data; needs
 * no memory. Guided by the generated descriptors, so no field number is
 * written here.
 */
#include "wire.h"

#include "proto.h"

#include <stdbool.h>

enum { MAX_DEPTH = 64, MAX_FIELDS = 1 << 22 };

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

typedef struct level {
    const ProtobufCMessageDescriptor *type;
    const uint8_t *end;
    uint64_t seen; /* bit i: the i-th field of the descriptor was there */
} level;

typedef struct scan {
    const char *name;
    const uint8_t *begin, *at;
    level levels[MAX_DEPTH];
    int depth;
    int fields;
} scan;

static nash_status broken(const scan *s, const char *what)
{
    return ni_fail(NASH_EFORMAT, "%s is not an ONNX file: %s at byte %lld",
                   s->name, what, (long long)(s->at - s->begin));
}

static bool read_varint(uint64_t *value, scan *s)
{
    const uint8_t *end = s->levels[s->depth].end;
    *value = 0;
    for (int shift = 0; shift < 64 && s->at < end; shift += 7) {
        uint8_t byte = *s->at++;
        *value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

static nash_status skip(scan *s, uint64_t bytes)
{
    if (bytes > (uint64_t)(s->levels[s->depth].end - s->at))
        return broken(s, "a field reaches beyond its message");
    s->at += bytes;
    return NASH_OK;
}

static nash_status enter(scan *s, const ProtobufCFieldDescriptor *field,
                         uint64_t bytes)
{
    level *outer = &s->levels[s->depth];
    uint64_t bit = UINT64_C(1) << (field - outer->type->fields);
    if (field->label != PROTOBUF_C_LABEL_REPEATED && (outer->seen & bit))
        return ni_fail(NASH_EFORMAT,
                       "%s is not an ONNX file: \"%s\" stands twice in a %s",
                       s->name, field->name, outer->type->short_name);
    outer->seen |= bit;
    if (s->depth + 1 == MAX_DEPTH)
        return ni_fail(NASH_ELIMIT,
                       "%s nests messages deeper than the %d levels that are "
                       "read",
                       s->name, MAX_DEPTH);
    s->levels[++s->depth] =
        (level){.type = field->descriptor, .end = s->at + bytes};
    return NASH_OK;
}

static nash_status read_bytes(scan *s, const ProtobufCFieldDescriptor *field)
{
    uint64_t bytes;
    if (!read_varint(&bytes, s))
        return broken(s, "a length is cut off");
    if (!field || field->type != PROTOBUF_C_TYPE_MESSAGE)
        return skip(s, bytes);
    if (bytes > (uint64_t)(s->levels[s->depth].end - s->at))
        return broken(s, "a message reaches beyond the one around it");
    return enter(s, field, bytes);
}

static nash_status read_field(scan *s)
{
    uint64_t key, value;
    if (++s->fields > MAX_FIELDS)
        return ni_fail(NASH_ELIMIT,
                       "%s has more than the %d fields that are read", s->name,
                       MAX_FIELDS);
    if (!read_varint(&key, s) || key >> 3 == 0 || key > UINT32_MAX)
        return broken(s, "no field begins");
    switch (key & 7) {
    case WIRE_VARINT:
        return read_varint(&value, s) ? NASH_OK
                                      : broken(s, "a number is cut off");
    case WIRE_64:
        return skip(s, 8);
    case WIRE_32:
        return skip(s, 4);
    case WIRE_BYTES:
        return read_bytes(
            s, protobuf_c_message_descriptor_get_field(s->levels[s->depth].type,
                                                       (unsigned)(key >> 3)));
    default:
        return broken(s, "a field has no type of protobuf's");
    }
}

nash_status ni_onnx_check_wire(const uint8_t *data, size_t size_bytes,
                               const char *name)
{
    nash_status status = NASH_OK;
    scan s = {.name = name, .begin = data, .at = data};
    s.levels[0] = (level){.type = &onnx__model_proto__descriptor,
                          .end = data + size_bytes};
    while (s.depth >= 0) {
        if (s.at == s.levels[s.depth].end)
            s.depth--;
        else
            TRY(read_field(&s));
    }
done:
    return status;
}
