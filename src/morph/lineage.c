/*
 * The lineage in a model's metadata: a JSON array of the morphisms that made
 * it, in their text form, the first one first. A value that is no such array
 * (a file from elsewhere) is replaced.
 */
#include "surgery.h"

#include "base/json.h"
#include "base/memory.h"

#include <string.h>

nash_status nash_morph_record(nash_model *m, const nash_morph *morph)
{
    nash_status status = NASH_OK;
    const char *old = nash_model_meta(m, NASH_META_LINEAGE);
    cJSON *list = NULL;
    char text[NASH_MORPH_TEXT_BYTES], *fresh = NULL;
    if (old)
        status = ni_json_parse(&list, old, strlen(old), "the lineage");
    if (status == NASH_ENOMEM)
        goto done;
    status = NASH_OK;
    if (!cJSON_IsArray(list)) {
        cJSON_Delete(list);
        list = cJSON_CreateArray();
    }
    nash_morph_format(text, sizeof text, morph, m);
    cJSON *item = cJSON_CreateString(text);
    if (!list || !cJSON_AddItemToArray(list, item)) {
        cJSON_Delete(item);
        status = ni_fail(NASH_ENOMEM, "out of memory while writing a lineage");
        goto done;
    }
    NEW_FROM(fresh, ni_json_print(list, false));
    TRY(nash_model_set_meta(m, NASH_META_LINEAGE, fresh));
done:
    ni_free(fresh);
    cJSON_Delete(list);
    return status;
}
