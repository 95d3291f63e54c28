/*
 * Tensors of a file: float32, float16, bfloat16 and double read as float32;
 * int64, int32, int8, uint8 and bool read as int64. Values are decoded where
 * they are used, so a weight is copied once. Refuses other types, data in
 * another file, and sizes that do not agree with the data.
 */
#include "constant.h"

#include <assert.h>
#include <math.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "raw_data is little-endian, and is read as it stands");

/* Which field of a tensor holds its values, unless they are raw. */
typedef enum field {
    FIELD_FLOAT,
    FIELD_DOUBLE,
    FIELD_INT32,
    FIELD_INT64
} field;

typedef struct kind {
    int32_t type;
    field field;
    int32_t bytes; /* of a raw value */
    bool integral;
} kind;

static const kind kinds[] = {
    {NI_DATA_FLOAT, FIELD_FLOAT, 4, false},
    {NI_DATA_FLOAT16, FIELD_INT32, 2, false},
    {NI_DATA_BFLOAT16, FIELD_INT32, 2, false},
    {NI_DATA_DOUBLE, FIELD_DOUBLE, 8, false},
    {NI_DATA_INT64, FIELD_INT64, 8, true},
    {NI_DATA_INT32, FIELD_INT32, 4, true},
    {NI_DATA_INT8, FIELD_INT32, 1, true},
    {NI_DATA_UINT8, FIELD_INT32, 1, true},
    {NI_DATA_BOOL, FIELD_INT32, 1, true},
};

static const kind *find_kind(int32_t type)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].type == type)
            return &kinds[i];
    return NULL;
}

static size_t field_count(const ni_pb_tensor *proto, field f)
{
    switch (f) {
    case FIELD_FLOAT:
        return proto->n_float_data;
    case FIELD_DOUBLE:
        return proto->n_double_data;
    case FIELD_INT32:
        return proto->n_int32_data;
    case FIELD_INT64:
        return proto->n_int64_data;
    }
    return 0;
}

static nash_status read_dims(ni_constant *out, const ni_pb_tensor *proto)
{
    nash_status status = NASH_OK;
    bool empty = false;
    REQUIRE(proto->n_dims <= NI_MAX_RANK, NASH_EUNSUPPORTED,
            "the tensor has %zu dimensions, at most %d are read", proto->n_dims,
            NI_MAX_RANK);
    out->n_dims = (int32_t)proto->n_dims;
    out->count = 1;
    for (size_t i = 0; i < proto->n_dims; i++) {
        int64_t dim = out->dims[i] = proto->dims[i];
        REQUIRE(dim >= 0, NASH_EFORMAT, "the tensor has a dimension of %lld",
                (long long)dim);
        empty = empty || dim == 0;
        REQUIRE(dim == 0 ||
                    !__builtin_mul_overflow(out->count, dim, &out->count),
                NASH_EFORMAT, "the tensor's dimensions overflow");
    }
    if (empty)
        out->count = 0;
done:
    return status;
}

bool ni_constant_is_readable(const ni_pb_tensor *proto)
{
    return find_kind(proto->data_type) != NULL;
}

nash_status ni_constant_bytes(int64_t *bytes, const ni_pb_tensor *proto)
{
    nash_status status = NASH_OK;
    ni_constant sizes = {0};
    TRY(read_dims(&sizes, proto));
    REQUIRE(!__builtin_mul_overflow(sizes.count,
                                    find_kind(proto->data_type)->bytes, bytes),
            NASH_EFORMAT, "the tensor's dimensions overflow");
done:
    return status;
}

nash_status ni_constant_open(ni_constant *out, const ni_pb_tensor *proto)
{
    nash_status status = NASH_OK;
    const kind *k = find_kind(proto->data_type);
    *out = (ni_constant){.proto = proto};
    REQUIRE(k, NASH_EUNSUPPORTED,
            "the tensor has data type %d, expected a float or integer type",
            (int)proto->data_type);
    REQUIRE(proto->data_location != ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL,
            NASH_EUNSUPPORTED,
            "the tensor's data lie in another file, expected them within");
    REQUIRE(!proto->segment, NASH_EUNSUPPORTED,
            "the tensor is a segment of a larger one");
    TRY(read_dims(out, proto));
    out->integral = k->integral;
    uint64_t there = proto->has_raw_data
                         ? proto->raw_data.len / (size_t)k->bytes
                         : field_count(proto, k->field);
    REQUIRE(there == (uint64_t)out->count &&
                (!proto->has_raw_data ||
                 proto->raw_data.len % (size_t)k->bytes == 0),
            NASH_EFORMAT, "the tensor has %llu values, its dimensions say %lld",
            (unsigned long long)there, (long long)out->count);
done:
    return status;
}

nash_status ni_constant_create(ni_constant *out, bool integral,
                               const int64_t *dims, int32_t n_dims)
{
    nash_status status = NASH_OK;
    ni_constant c = {.integral = integral, .n_dims = n_dims, .count = 1};
    assert(n_dims <= NI_MAX_RANK);
    for (int32_t i = 0; i < n_dims; i++) {
        c.dims[i] = dims[i];
        c.count *= dims[i];
    }
    if (integral)
        NEW_ARRAY(c.ints, c.count);
    else
        NEW_ARRAY(c.floats, c.count);
    *out = c;
done:
    return status;
}

void ni_constant_deinit(ni_constant *c)
{
    ni_free(c->floats);
    ni_free(c->ints);
}

/* ---- values ------------------------------------------------------------- */

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float from_half(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 0x1F, mantissa = half & 0x3FF;
    if (exponent == 0x1F)
        return from_bits(sign | 0x7F800000 | mantissa << 13);
    if (exponent > 0)
        return from_bits(sign | (exponent + 112) << 23 | mantissa << 13);
    float small = ldexpf((float)mantissa, -24);
    return sign ? -small : small;
}

static float from_sixteen(int32_t type, uint16_t bits)
{
    return type == NI_DATA_FLOAT16 ? from_half(bits)
                                   : from_bits((uint32_t)bits << 16);
}

static void decode_sixteen(float *dst, const ni_pb_tensor *proto, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        uint16_t bits;
        if (proto->has_raw_data)
            memcpy(&bits, proto->raw_data.data + 2 * i, sizeof bits);
        else
            bits = (uint16_t)proto->int32_data[i];
        dst[i] = from_sixteen(proto->data_type, bits);
    }
}

static void decode_double(float *dst, const ni_pb_tensor *proto, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        double value;
        if (proto->has_raw_data)
            memcpy(&value, proto->raw_data.data + 8 * i, sizeof value);
        else
            value = proto->double_data[i];
        dst[i] = (float)value;
    }
}

static int64_t raw_int(const ni_pb_tensor *proto, int64_t i)
{
    const uint8_t *raw = proto->raw_data.data;
    int64_t wide;
    int32_t narrow;
    switch (proto->data_type) {
    case NI_DATA_INT64:
        memcpy(&wide, raw + 8 * i, sizeof wide);
        return wide;
    case NI_DATA_INT32:
        memcpy(&narrow, raw + 4 * i, sizeof narrow);
        return narrow;
    case NI_DATA_INT8:
        return (int8_t)raw[i];
    default:
        return raw[i];
    }
}

static int64_t int_at(const ni_constant *c, int64_t i)
{
    if (!c->proto)
        return c->ints[i];
    if (c->proto->has_raw_data)
        return raw_int(c->proto, i);
    return c->proto->data_type == NI_DATA_INT64 ? c->proto->int64_data[i]
                                                : c->proto->int32_data[i];
}

void ni_constant_ints(int64_t *dst, const ni_constant *c)
{
    assert(c->integral);
    for (int64_t i = 0; i < c->count; i++)
        dst[i] = int_at(c, i);
}

void ni_constant_floats(float *dst, const ni_constant *c)
{
    const ni_pb_tensor *proto = c->proto;
    if (c->count == 0)
        return;
    size_t bytes = (size_t)c->count * sizeof *dst;
    if (c->integral)
        for (int64_t i = 0; i < c->count; i++)
            dst[i] = (float)int_at(c, i);
    else if (!proto)
        memcpy(dst, c->floats, bytes);
    else if (proto->data_type == NI_DATA_DOUBLE)
        decode_double(dst, proto, c->count);
    else if (proto->data_type != NI_DATA_FLOAT)
        decode_sixteen(dst, proto, c->count);
    else
        memcpy(dst,
               proto->has_raw_data ? (const void *)proto->raw_data.data
                                   : (const void *)proto->float_data,
               bytes);
}

nash_status ni_constant_load(ni_constant *c)
{
    nash_status status = NASH_OK;
    float *floats = NULL;
    int64_t *ints = NULL;
    if (!c->proto)
        goto done;
    if (c->integral) {
        NEW_ARRAY(ints, c->count);
        ni_constant_ints(ints, c);
    } else {
        NEW_ARRAY(floats, c->count);
        ni_constant_floats(floats, c);
    }
    c->ints = ints;
    c->floats = floats;
    c->proto = NULL;
done:
    return status;
}

bool ni_constant_is_scalar(float *value, const ni_constant *c)
{
    if (c->count != 1 || c->integral)
        return false;
    ni_constant_floats(value, c);
    return true;
}
