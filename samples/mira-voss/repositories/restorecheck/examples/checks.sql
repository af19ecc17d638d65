-- One check for each thing that's gone wrong before.
-- No rows means it's fine.

-- check: negative totals
SELECT id, total_cents FROM orders WHERE total_cents < 0;

-- check: paid orders have a payment
SELECT o.id
FROM   orders o
LEFT   JOIN payments p ON p.order_id = o.id
WHERE  o.state = 'paid'
  AND  p.id IS NULL;
