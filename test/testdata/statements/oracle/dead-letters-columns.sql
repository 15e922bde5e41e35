select column_name as name, case
    when column_name = 'EVENT' and data_type <> 'NUMBER' then 0
    when column_name in ('DATA_AFTER', 'DATA_BEFORE') and data_type not in ('CLOB', 'NCLOB') then 0
    else 1
  end as fits
from all_tab_columns where owner = :1 and table_name = :2
